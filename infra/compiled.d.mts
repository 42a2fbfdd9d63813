export const folders: readonly string[];
export function compiled(url: URL): string | undefined;
