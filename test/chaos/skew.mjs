/** Preloaded into the processes of a chaos run: a clock that is wrong by what `CHAOS_SKEW`'s file says at the start. */
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const path = process.env['CHAOS_SKEW'];
const skewMs = isMainThread && path ? Number(readFileSync(path, 'utf8')) : 0;
if (skewMs !== 0) {
  const Real = Date;
  globalThis.Date = class extends Real {
    constructor(...args) {
      if (args.length === 0) super(Real.now() + skewMs);
      else super(...args);
    }
    static now() {
      return Real.now() + skewMs;
    }
  };
}
