/** One line of the table: what was measured, and what it may be. */

export interface Row {
  name: string;
  measured: number;
  unit: string;
  budget: string;
  /** Null: for information, nothing was promised. */
  ok: boolean | null;
}

export const atMost = (name: string, measured: number, unit: string, limit: number): Row => ({
  ...{ name, measured, unit, budget: `≤ ${limit}`, ok: measured <= limit },
});

export const atLeast = (name: string, measured: number, unit: string, limit: number): Row => ({
  ...{ name, measured, unit, budget: `≥ ${limit}`, ok: measured >= limit },
});

export const just = (name: string, measured: number, unit: string): Row => ({
  ...{ name, measured, unit, budget: '', ok: null },
});

export function table(rows: readonly Row[]): string {
  const cells = rows.map(({ name, measured, unit, budget, ok }) => [
    name,
    `${shown(measured)} ${unit}`,
    budget,
    ok === null ? '' : ok ? 'ok' : 'NO',
  ]);
  const head = ['measurement', 'measured', 'budget', ''];
  const widths = head.map((_, i) => Math.max(...[head, ...cells].map((row) => row[i]!.length)));
  const line = (row: string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd();
  return [line(head), widths.map((width) => '─'.repeat(width)).join('  '), ...cells.map(line)].join('\n');
}

const shown = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** @returns what `act` gave, and the seconds it took */
export async function timed<T>(act: () => Promise<T>): Promise<[T, number]> {
  const started = performance.now();
  const value = await act();
  return [value, (performance.now() - started) / 1_000];
}
