/** Isotonic regression of labels on scores: the rising steps that are nearest to them, by pooling neighbours that fall. */
import type { Calibrator } from '../../contracts/watch.ts';

/**
 * Ties in the scores are averaged first, as scikit-learn has it; of a level run only the ends are kept.
 *
 * @param labels 0 or 1, or any number. @param scores of the same rows; at least one
 */
export function isotonic(scores: ArrayLike<number>, labels: ArrayLike<number>): Calibrator {
  const blocks = pooled(tied(scores, labels));
  const at: number[] = [];
  const value: number[] = [];
  for (const { first, last, sum, rows } of blocks) {
    for (const end of first === last ? [first] : [first, last]) {
      at.push(end);
      value.push(sum / rows);
    }
  }
  return { at, value };
}

/** Linear between two scores, level beyond the ends. */
export function calibrated({ at, value }: Calibrator, score: number): number {
  let [low, high] = [0, at.length - 1];
  if (score <= at[low]!) return value[low]!;
  if (score >= at[high]!) return value[high]!;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (at[middle]! <= score) low = middle;
    else high = middle;
  }
  const share = (score - at[low]!) / (at[high]! - at[low]!);
  return value[low]! + share * (value[high]! - value[low]!);
}

interface Block {
  first: number;
  last: number;
  sum: number;
  rows: number;
}

function tied(scores: ArrayLike<number>, labels: ArrayLike<number>): Block[] {
  const order = Uint32Array.from({ length: scores.length }, (_, i) => i).sort(
    (a, b) => scores[a]! - scores[b]!,
  );
  const blocks: Block[] = [];
  for (const row of order) {
    const score = scores[row]!;
    const last = blocks.at(-1);
    if (last?.last === score) {
      last.sum += labels[row]!;
      last.rows += 1;
    } else blocks.push({ first: score, last: score, sum: labels[row]!, rows: 1 });
  }
  return blocks;
}

function pooled(blocks: readonly Block[]): Block[] {
  const kept: Block[] = [];
  for (const block of blocks) {
    let own = { ...block };
    for (let last = kept.at(-1); last && last.sum / last.rows >= own.sum / own.rows; last = kept.at(-1)) {
      kept.pop();
      own = { first: last.first, last: own.last, sum: last.sum + own.sum, rows: last.rows + own.rows };
    }
    kept.push(own);
  }
  return kept;
}
