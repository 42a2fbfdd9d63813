/** Detectors find what River's find, at the same values of the stream. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adwin } from '../../../../activities/monitor/statistics/adwin.ts';
import { ddm } from '../../../../activities/monitor/statistics/ddm.ts';
import type { Detector } from '../../../../activities/monitor/statistics/detector.ts';
import { pageHinkley } from '../../../../activities/monitor/statistics/page-hinkley.ts';
import { made } from '../../../support/made-column.ts';
import type { Made } from '../../../support/made-column.ts';
import reference from './reference.json' with { type: 'json' };

const makers: Record<string, () => Detector> = { adwin, 'page-hinkley': pageHinkley, ddm };

type Found = { drifts: number[]; warned: number };

for (const [name, stream] of Object.entries(reference.streams)) {
  const { pieces, ...expected } = stream as { pieces: Made[] } & Record<string, unknown>;
  const values = pieces.flatMap(made) as number[];
  for (const [detector, found] of Object.entries(expected))
    test(`${detector}: ${name}`, () => {
      const look = makers[detector]!();
      const verdicts = values.map((value) => look.update(value));
      const drifts = verdicts.flatMap((verdict, i) => (verdict === 'drift' ? [i] : []));
      assert.deepEqual(drifts, (found as Found).drifts);
      assert.equal(verdicts.filter((verdict) => verdict === 'warning').length, (found as Found).warned);
    });
}

test('a constant stream, and one of a single value, are stable', () => {
  for (const make of Object.values(makers)) {
    const look = make();
    for (let i = 0; i < 5_000; i++) assert.equal(look.update(1), 'stable');
  }
});
