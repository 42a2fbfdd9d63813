/** Adam over the whole parameter vector, with its bias correction folded into the rate. */
import type { Graph } from '../../infra/onnx/graph.ts';

/** Adam's own defaults. @see Kingma and Ba, "Adam", ICLR 2015, algorithm 1 */
const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

/** @param time steps done, this one included */
export function adamNodes(
  g: Graph,
  weights: string,
  gradient: string,
  [before1, before2]: readonly [string, string],
  time: string,
  learningRate: number,
) {
  const { beta1, beta2, epsilon } = adam;
  const scalar = (value: number) => g.constant('float', [value], []);
  const moved = (before: string, value: string, beta: number) =>
    g.node('Add', [g.node('Mul', [before, scalar(beta)]), g.node('Mul', [value, scalar(1 - beta)])]);
  const moment1 = moved(before1, gradient, beta1);
  const moment2 = moved(before2, g.node('Mul', [gradient, gradient]), beta2);
  const unbias = (beta: number) => g.node('Sub', [scalar(1), g.node('Pow', [scalar(beta), time])]);
  const rate = g.node('Div', [
    g.node('Mul', [scalar(learningRate), g.node('Sqrt', [unbias(beta2)])]),
    unbias(beta1),
  ]);
  const spread = g.node('Add', [g.node('Sqrt', [moment2]), scalar(epsilon)]);
  const change = g.node('Div', [g.node('Mul', [moment1, rate]), spread]);
  return { weights: g.node('Sub', [weights, change]), moment1, moment2 };
}
