/** What looks for a change in a stream, one value after the other, in memory that does not grow with it. */

export type Verdict = 'stable' | 'warning' | 'drift';

export interface Detector {
  /** @param value finite. @returns what is known after it; a detector begins anew after `drift` */
  update(value: number): Verdict;
}
