/** A child that scores is heard out, but not waited for: arithmetic that hangs says nothing, and never ends by itself. */
import type { Child } from '../infra/child.ts';

/**
 * @param ms of silence after which it is killed
 * @param late what is thrown then
 * @returns what it says, until it ends
 */
export async function* heard(
  child: Child,
  ms: number,
  late: () => Error,
): AsyncGenerator<Record<string, unknown>> {
  const events = child.events[Symbol.asyncIterator]();
  for (;;) {
    let silent = false;
    const timer = setTimeout(() => {
      silent = true;
      void child.kill(0);
    }, ms);
    const { value, done } = await events.next().finally(() => clearTimeout(timer));
    if (silent) throw late();
    if (done) return;
    yield value;
  }
}
