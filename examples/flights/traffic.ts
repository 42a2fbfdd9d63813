/** The days after January as traffic: flights asked about before they depart, labels when they have landed. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { selectWindow } from '../../activities/ingest/select.ts';
import { infer, postLabels } from '../../client/serving.ts';
import type { Predictions } from '../../client/serving.ts';
import { openDuckDb } from '../../infra/duckdb.ts';

export interface Flight extends Record<string, unknown> {
  flight_id: string;
  date: string;
  origin: string;
  destination: string;
  late: number;
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const data = here('../../node_modules/vega-datasets/data/flights-3m.parquet');
const rowsPerRequest = 50;

const inputs = [
  { name: 'date', datatype: 'INT64' },
  { name: 'distance', datatype: 'FP64' },
  { name: 'origin', datatype: 'BYTES' },
  { name: 'destination', datatype: 'BYTES' },
  { name: 'origin_late_yesterday', datatype: 'FP64' },
  { name: 'origin_late_week', datatype: 'FP64' },
  { name: 'route_late_share', datatype: 'FP64' },
];

/** Every `every`-th flight of each day, with the features that the project's own query gives it. */
export async function readDays(
  from: string,
  until: string,
  every: number,
  spillDir: string,
): Promise<Map<string, Flight[]>> {
  const db = await openDuckDb({ memory: '1GB', threads: 2, spillDir });
  try {
    await db.run(`CREATE VIEW flights AS SELECT * FROM read_parquet('${data}')`);
    const sql = selectWindow(await readFile(here('flights.sql'), 'utf8'), { from, until });
    const rows = await db.rows<Flight>(
      `SELECT * FROM (${sql}) WHERE hash(flight_id) % ${every} = 0 ORDER BY date, flight_id`,
    );
    const days = new Map<string, Flight[]>();
    for (const row of rows) {
      const day = row.date.slice(0, 10);
      days.set(day, [...(days.get(day) ?? []), row]);
    }
    return days;
  } finally {
    await db.close();
  }
}

/** One flight, as an application would ask. */
export function askAbout(url: string, flight: Flight): Promise<Predictions> {
  return infer(url, 'flights', inputs, [flight], {
    id: flight.flight_id,
    time: flight.date,
    key: flight.flight_id,
  });
}

/** Asks about all of them, some at a time; the sticky key decides who meets a canary. */
export async function replay(url: string, flights: Flight[], tag: string): Promise<void> {
  for (let i = 0; i < flights.length; i += rowsPerRequest) {
    const batch = flights.slice(i, i + rowsPerRequest);
    const id = `${tag}-${i / rowsPerRequest}`;
    await infer(url, 'flights', inputs, batch, { id, time: batch[0]!.date, key: id });
  }
}

/** What really happened, under the ids that `replay` gave: known a day later. */
export async function label(url: string, flights: Flight[], tag: string, time: string): Promise<void> {
  const labels = flights.map((flight, i) => ({
    id: `${tag}-${Math.floor(i / rowsPerRequest)}/${i % rowsPerRequest}`,
    label: flight.late,
    time,
  }));
  for (let i = 0; i < labels.length; i += 1_000) {
    await postLabels(url, 'flights', labels.slice(i, i + 1_000));
  }
}

/** Both prime: batches that mix the hours of the day, and do not repeat soon. */
const [stride, spread] = [997, 509];

/** Traffic that never ends, as production has it, until told to stop. */
export function pump(url: string, flights: Flight[]): { stop(): Promise<void> } {
  let going = true;
  const done = (async () => {
    for (let i = 0; going; i++) {
      const batch = Array.from(
        { length: 10 },
        (_, k) => flights[(i * stride + k * spread) % flights.length]!,
      );
      const key = crypto.randomUUID();
      await infer(url, 'flights', inputs, batch, { id: key, time: batch[0]!.date, key });
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
  })();
  return {
    async stop() {
      going = false;
      await done;
    },
  };
}

/** Waits until every answered prediction and label is in the store, where monitoring reads. */
export async function shipped(url: string): Promise<void> {
  for (;;) {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    if (/^esteira_serving_journals_waiting 0$/m.test(metrics)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export const nextDay = (day: string): string =>
  new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
