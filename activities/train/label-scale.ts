/** Regression learns standardised labels, so that one learning rate fits rents and temperatures alike. */
import type { Task } from '../../contracts/project.ts';
import type { LabelScale } from './feeds.ts';
import type { RowReader } from './rows.ts';

/** Over the training rows, in the order of the files: the same bits each time. */
export async function labelScale(
  task: Task,
  reader: RowReader,
  train: readonly string[],
): Promise<LabelScale> {
  if (task !== 'regression') return { mean: 0, spread: 1 };
  const sums = { rows: 0, mean: 0, squares: 0 };
  for (const path of train) {
    const { label } = await reader.read(path);
    for (const value of label) {
      // Welford's update: labels may be large and alike.
      const off = value - sums.mean;
      sums.rows += 1;
      sums.mean += off / sums.rows;
      sums.squares += off * (value - sums.mean);
    }
  }
  return { mean: sums.mean, spread: Math.sqrt(sums.squares / sums.rows) || 1 };
}
