/** What callers notice of a hundred changes of slots, and of replicas that are restarted one after the other: nothing. */
import { join } from 'node:path';
import { openDuckDb, quoteLiteral } from '../infra/duckdb.ts';
import { publishSlots, publishVersion } from '../test/support/serving-model.ts';
import { balance, press } from '../test/support/pressure.ts';
import type { Pressure } from '../test/support/pressure.ts';
import { inferBody, makePlace } from '../test/support/server.ts';
import type { Place } from '../test/support/server.ts';
import { until } from '../test/support/until.ts';
import { atMost, just } from './row.ts';
import type { Row } from './row.ts';

const swaps = 100;
const restarts = 20;
const callers = 8;
/** Good answers between one disturbance and the next. */
const between = 200;

const names = ['one', 'two'];

export async function rolling(): Promise<Row[]> {
  const place = await makePlace();
  try {
    return [...(await swapped(place)), ...(await restarted(place))];
  } finally {
    await place.remove();
  }
}

async function swapped(place: Place): Promise<Row[]> {
  const versions = [await publishVersion(place.store, 1, 1), await publishVersion(place.store, 2, 2)];
  await publishSlots(place.store, { champion: versions[0]! });
  const server = await place.start();
  const infer = `${server.url}/v2/models/flights/infer`;
  const pressure = press(callers, JSON.stringify(inferBody(1)), () => infer);
  for (let i = 1; i <= swaps; i++) {
    const epoch = await publishSlots(place.store, { champion: versions[i % 2]! });
    await until(async () => {
      const text = await (await fetch(`${server.url}/metrics`)).text();
      return text.includes(`esteira_serving_epoch{model="flights"} ${epoch}\n`);
    });
  }
  await pressure.stop();
  await server.child.kill(30_000);
  return rowsOf(`over ${swaps} swaps`, pressure, await storedRows(place));
}

/** As in `test/serving/rolling.test.ts`: a balancer asks who is ready, and sends nobody to who is not. */
async function restarted(place: Place): Promise<Row[]> {
  const already = await storedRows(place);
  const replicas = await Promise.all(names.map((name) => place.start(name)));
  const balancer = balance(replicas);
  const pressure = press(callers, JSON.stringify(inferBody(1)), () => {
    const url = balancer.next();
    return url && `${url}/v2/models/flights/infer`;
  });
  for (let i = 0; i < restarts; i++) {
    const at = i % replicas.length;
    await until(() => balancer.ready === replicas.length);
    await replicas[at]!.child.kill(30_000);
    replicas[at] = await place.start(names[at]);
    const { answered } = pressure;
    await until(() => pressure.answered > answered + between);
  }
  await balancer.stop();
  await pressure.stop();
  await Promise.all(replicas.map(({ child }) => child.kill(30_000)));
  return rowsOf(`over ${restarts} rolling restarts`, pressure, (await storedRows(place)) - already);
}

function rowsOf(when: string, { answered, failures }: Pressure, stored: number): Row[] {
  for (const failure of new Set(failures)) console.log(`  ${when}: ${failure}`);
  return [
    just(`requests ${when}`, answered, ''),
    atMost(`failed requests ${when}`, failures.length, '', 0),
    atMost(`answers ${when} that are not in the store once`, Math.abs(answered - stored), '', 0),
  ];
}

/** Counted where they lie: they are too many to be brought here. */
async function storedRows({ root, store }: Place): Promise<number> {
  const paths: string[] = [];
  for await (const { key } of store.list('predictions/')) paths.push(quoteLiteral(await store.localKey(key)));
  const db = await openDuckDb({ memory: '512MB', threads: 1, spillDir: join(root, 'spill') });
  try {
    const [counted] = await db.rows<{ rows: number; ids: number }>(
      `SELECT count(*)::INTEGER AS rows, count(DISTINCT id)::INTEGER AS ids FROM read_parquet([${paths.join(', ')}])`,
    );
    return counted!.rows === counted!.ids ? counted!.rows : NaN;
  } finally {
    await db.close();
  }
}
