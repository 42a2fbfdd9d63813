/**
 * DDM: the error rate of a model that learns falls; one that rises over its lowest level by three standard deviations
 * has met a changed concept. Two are a warning.
 *
 * @see Gama et al., "Learning with drift detection", SBIA 2004; River 0.26, `drift.binary.DDM`
 */
import type { Detector } from './detector.ts';

export interface DdmSettings {
  warmStart: number;
  warningThreshold: number;
  driftThreshold: number;
}

const defaults: DdmSettings = { warmStart: 30, warningThreshold: 2, driftThreshold: 3 };

/** Its stream is of errors: 1 where the model was wrong, 0 where it was right. */
export function ddm(settings: Partial<DdmSettings> = {}): Detector {
  const { warmStart, warningThreshold, driftThreshold } = { ...defaults, ...settings };
  const start = { n: 0, rate: 0, lowest: { rate: Infinity, deviation: Infinity } };
  let state = { ...start };
  return {
    update(error) {
      state.n += 1;
      state.rate += (error - state.rate) / state.n;
      const deviation = Math.sqrt((state.rate * (1 - state.rate)) / state.n);
      if (state.n <= warmStart) return 'stable';
      const level = state.rate + deviation;
      if (level <= state.lowest.rate + state.lowest.deviation) state.lowest = { rate: state.rate, deviation };
      const { lowest } = state;
      if (level > lowest.rate + driftThreshold * lowest.deviation) {
        state = { ...start };
        return 'drift';
      }
      return level > lowest.rate + warningThreshold * lowest.deviation ? 'warning' : 'stable';
    },
  };
}
