/** What is swapped out is given back: sessions, the bytes they were made from, and threads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { residentMb } from '../../bench/processes.ts';
import { inferBody, makePlace, post } from '../support/server.ts';
import { publishSlots, publishVersion } from '../support/serving-model.ts';
import { until } from '../support/until.ts';

const swaps = 30;
/** A session of the large one that is kept costs 16 MB or more, a thread of the heavy one 30: fifteen of either show. */
const boundMb = 150;

const skip = process.platform === 'linux' ? false : 'memory is read from /proc';

test(
  'thirty swaps between a large model and a heavy one do not fill the memory',
  { skip, timeout: 140_000 },
  async () => {
    const place = await makePlace();
    const large = await publishVersion(place.store, 1, 1, false, { ballastBytes: 16_000_000 });
    const heavy = await publishVersion(place.store, 2, 2, false, { layers: 40 });
    await publishSlots(place.store, { champion: large });
    const { child, url } = await place.start();
    const swap = async (i: number) => {
      await publishSlots(place.store, { champion: i % 2 ? large : heavy });
      await until(async () => {
        const { status, body } = await post(`${url}/v2/models/flights/infer`, inferBody(64));
        assert.equal(status, 200);
        return body.model_version === (i % 2 ? '1' : '2');
      });
    };
    for (let i = 0; i < 6; i++) await swap(i); // what is reserved once
    const before = await residentMb(child.pid);
    for (let i = 0; i < swaps; i++) await swap(i);
    const grown = (await residentMb(child.pid)) - before;
    await child.kill();
    await place.remove();
    console.log(`${before.toFixed(0)} MB before ${swaps} swaps, ${grown.toFixed(0)} MB more after them`);
    assert(grown < boundMb, `${grown.toFixed(0)} MB more after ${swaps} swaps`);
  },
);
