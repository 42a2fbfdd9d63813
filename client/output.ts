/** How commands speak: text for people, one JSON value for machines, and exit codes for scripts. */

/** 0 done, 1 error, 2 usage, 3 a gate or check said no, 4 rejected or expired; 130 as shells have it. */
export const exitCodes = { done: 0, error: 1, usage: 2, no: 3, rejected: 4, interrupted: 130 } as const;

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

/** `0.4 s`, `59.9 s`, `2 min 5 s`, `3 h 20 min`, `2 d 4 h`: two units at most, rounded first. */
export function seconds(value: number): string {
  if (value < 59.95) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(value / 60);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const hours = Math.round(value / 3_600);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** `1 gate`, `2 gates`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
