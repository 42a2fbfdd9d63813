/** Loss and predictions of given weights over given rows, as an ONNX graph. */
import { graph } from '../../infra/onnx/graph.ts';
import { cutBlocks, featureInputs, forward, predictions } from './forward-graph.ts';
import type { Network } from './network.ts';
import { rowLoss } from './step-graph.ts';

/**
 * In: `weights`, and `numeric`, `categorical`, `label` of n rows.
 * Out: `losses` FLOAT[n], one a row and not weighted; `output`, as the exported model's.
 */
export function scoreGraph(net: Network): Uint8Array {
  const g = graph('score');
  const weights = g.input('weights', 'float', [net.size]);
  const { x, c } = featureInputs(g, net);
  const y = g.input('label', 'float', ['n']);
  const { logits } = forward(g, net, cutBlocks(g, net, weights), x, c);
  g.output('losses', rowLoss(g, net, logits, y), 'float', ['n']);
  const shape = net.outputs > 1 ? ['n', net.outputs] : ['n'];
  g.output('output', predictions(g, net, logits), 'float', shape);
  return g.bytes();
}
