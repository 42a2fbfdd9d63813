/**
 * Page-Hinkley: a cumulated sum of distances from the mean so far, which moves far from its lowest (highest) point when
 * the mean has grown (fallen).
 *
 * The threshold is in units of the stream: 50, the default of River, suits values around 1.
 *
 * @see Page, "Continuous inspection schemes", Biometrika 41 (1954); River 0.26, `drift.PageHinkley`, mode "both"
 */
import type { Detector } from './detector.ts';

export interface PageHinkleySettings {
  minInstances: number;
  /** Changes of less than this are no changes. */
  delta: number;
  threshold: number;
  /** Forgetting: what a sum keeps of itself at each step. */
  alpha: number;
}

const defaults: PageHinkleySettings = { minInstances: 30, delta: 0.005, threshold: 50, alpha: 0.9999 };

export function pageHinkley(settings: Partial<PageHinkleySettings> = {}): Detector {
  const { minInstances, delta, threshold, alpha } = { ...defaults, ...settings };
  const start = { n: 0, mean: 0, up: 0, down: 0, lowest: Infinity, highest: -1 };
  let state = { ...start };
  return {
    update(value) {
      state.n += 1;
      state.mean += (value - state.mean) / state.n;
      const distance = value - state.mean;
      state.up = alpha * state.up + distance - delta;
      state.down = alpha * state.down + distance + delta;
      state.lowest = Math.min(state.lowest, state.up);
      state.highest = Math.max(state.highest, state.down);
      if (state.n < minInstances) return 'stable';
      const moved = state.up - state.lowest > threshold || state.highest - state.down > threshold;
      if (moved) state = { ...start };
      return moved ? 'drift' : 'stable';
    },
  };
}
