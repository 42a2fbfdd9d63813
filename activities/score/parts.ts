/** How files become parts and parts become batches: pure, so that a repeated run cuts the same way. */
import { permanent } from '../../contracts/failures.ts';
import type { ScoreInput, ScorePart, ScorePlan } from '../../contracts/score.ts';
import type { z } from 'zod';

/** Of a part: what a killed worker loses at most, and what is in memory at once. Fewer where rows are wide. */
const rowsPerPart = 131_072;
const valuesPerPart = 64 * rowsPerPart;
/** Of a batch: enough that the second it takes to start a process does not count. */
const rowsPerBatch = 32 * rowsPerPart;
const partsPerBatch = 1_000;

/** `a/january.csv` → `a/january.parquet`, or `a/january-00000.parquet` … when it has more rows than a part. */
export function partsOf(inputs: readonly (z.infer<typeof ScoreInput> & { columns: number })[]): ScorePart[] {
  const parts: ScorePart[] = [];
  const owners = new Map<string, string>();
  for (const [input, { name, rows, columns }] of inputs.entries()) {
    const stem = name.replace(/\.(csv|tsv|json|jsonl|ndjson|parquet|pq)(\.gz)?$/i, '');
    const other = owners.get(stem);
    if (other !== undefined) {
      const message = `${other} and ${name} would both become ${stem}.parquet; score one of them elsewhere`;
      throw permanent('InvalidInput', message, { issues: [other, name] });
    }
    owners.set(stem, name);
    const most = Math.min(rowsPerPart, Math.ceil(valuesPerPart / columns));
    const count = Math.max(1, Math.ceil(rows / most));
    for (let i = 0; i < count; i++) {
      const from = i * most;
      const number = count === 1 ? '' : `-${String(i).padStart(5, '0')}`;
      parts.push({
        name: `${stem}${number}.parquet`,
        input,
        from,
        rows: Math.min(most, rows - from),
      });
    }
  }
  return parts;
}

/** Even shares when there is little to do, and no larger ones than a lost process may cost when there is much. */
export function batchesOf(parts: readonly ScorePart[], parallel: number): ScorePlan['batches'] {
  const total = parts.reduce((sum, { rows }) => sum + rows, 0);
  const most = Math.min(rowsPerBatch, Math.ceil(total / parallel));
  const batches: ScorePlan['batches'] = [];
  let from = 0;
  let rows = 0;
  for (const [i, part] of parts.entries()) {
    rows += part.rows;
    const last = i === parts.length - 1;
    if (rows < most && i + 1 - from < partsPerBatch && !last) continue;
    batches.push({ from, until: i + 1 });
    from = i + 1;
    rows = 0;
  }
  return batches;
}
