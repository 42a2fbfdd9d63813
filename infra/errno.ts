/** Catching only what is named, by the system's error code. */

export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** For `.catch`: turns the named error into `value` and rethrows every other. */
export function unlessCode(code: string): (error: unknown) => undefined;
export function unlessCode<T>(code: string, value: T): (error: unknown) => T;
export function unlessCode(code: string, value?: unknown) {
  return (error: unknown) => {
    if (hasCode(error, code)) return value;
    throw error;
  };
}
