/** How commands speak: text for people, one JSON value for machines, and exit codes for scripts. */

/** 0 done, 1 error, 2 usage, 3 a gate or check said no, 4 rejected or expired. */
export const exitCodes = { done: 0, error: 1, usage: 2, no: 3, rejected: 4 } as const;

/** Prints `value` as JSON when asked, else the text. */
export function say(json: boolean, value: unknown, text: string): void {
  process.stdout.write(`${json ? JSON.stringify(value) : text}\n`);
}

/** Columns padded to their widest cell; two spaces between. Rows may be empty. */
export function table(headings: string[], rows: string[][]): string {
  const widths = headings.map((heading, i) =>
    Math.max(heading.length, ...rows.map((row) => (row[i] ?? '').length)),
  );
  const line = (cells: string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd();
  return [line(headings), line(widths.map((width) => '─'.repeat(width))), ...rows.map(line)].join('\n');
}

export function seconds(value: number): string {
  if (value < 60) return `${value.toFixed(1)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}
