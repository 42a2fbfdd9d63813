/** What can be wrong before a server answers anything, in one sentence for whoever starts it. */

/** @returns what throws it in words */
export function unreadable(setting: string, path: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    const why = error.code === 'ENOENT' ? 'is not there' : `cannot be read: ${error.code}`;
    throw new Error(`${path}, which ${setting} names, ${why}`, { cause: error });
  };
}

/** @returns what throws it in words */
export function notListening(host: string, port: number): (error: Error) => never {
  return (error) => {
    const words: [code: string, why: string][] = [
      ['EADDRINUSE', 'something else listens there'],
      ['EADDRNOTAVAIL', 'this machine has no such address'],
      ['EACCES', 'this user may not'],
      ['ENOTFOUND', 'no such host is known'],
    ];
    const why = words.find(([code]) => error.message.includes(code))?.[1] ?? error.message;
    throw new Error(`the server cannot listen at ${host}:${port}: ${why}`, { cause: error });
  };
}

/** One sentence for whoever started the process, and its end. */
export function fail(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
