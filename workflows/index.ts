/** Everything a worker registers. Temporal's Web UI shows these names. */
export { alerts } from './alerts.ts';
export { approval } from './approval.ts';
export { backfill } from './backfill.ts';
export { delivery } from './delivery.ts';
export { lifecycle } from './lifecycle.ts';
export { model } from './model.ts';
export { monitor } from './monitor.ts';
export { reproduction } from './reproduction.ts';
export { rollout } from './rollout.ts';
export { score } from './score.ts';
export { search } from './search.ts';
