export function start(program: URL): Promise<unknown>;
