/** Which way a metric points, so that "worse" means one thing everywhere: gates, alerts, rules. */

const lowerIsBetter = new Set(['log_loss', 'brier', 'ece', 'rmse', 'mae']);

/** @returns how much worse `value` is than `reference`, in the metric's own units; negative if better. */
export function worseBy(metric: string, reference: number, value: number): number {
  return lowerIsBetter.has(metric) ? value - reference : reference - value;
}
