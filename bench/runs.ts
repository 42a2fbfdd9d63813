/** How long ten thousand runs take to list: the first time, and when their rows are known. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readCatalogue } from '../client/experiments/catalogue.ts';
import { namesIn } from '../client/experiments/names.ts';
import { runsTable } from '../client/experiments/table.ts';
import { matching, parseWhere, sorted } from '../client/experiments/where.ts';
import { openStore } from '../infra/store/open.ts';
import { detailsWith, evaluateRecord, trainRecord } from '../test/support/records.ts';
import { atMost, just, median, timed } from './row.ts';
import type { Row } from './row.ts';

const count = 10_000;
const models = ['flights', 'orders', 'churn'];

export async function runs(home: string): Promise<Row[]> {
  writeRecords(join(home, 'store'));
  const store = await openStore(pathToFileURL(join(home, 'store')).href, { cacheDir: home });
  const cacheHome = join(home, 'cache');
  try {
    const list = async () => {
      const found = await readCatalogue(store, { cacheHome });
      const names = namesIn(found.runs);
      const where = parseWhere('param.lr<0.05 and backend=python');
      const best = matching(sorted(found.runs, 'roc_auc', false, names), where, names);
      return { ...found, text: runsTable(best.slice(0, 20), ['roc_auc', 'param.lr'], names) };
    };
    const [first, cold] = await timed(list);
    if (first.runs.length !== count || first.read !== count)
      throw new Error(`${first.runs.length} runs were read`);
    const warm: number[] = [];
    for (let i = 0; i < 5; i++) warm.push((await timed(list))[1]);
    return [
      just(`${count} runs listed, none known`, cold, 's'),
      atMost(`${count} runs listed, sorted, filtered, all known`, median(warm), 's', 1),
    ];
  } finally {
    await store.close();
  }
}

/** Straight to the folder: the store syncs each write, and what is measured is reading. */
function writeRecords(root: string): void {
  for (let i = 0; i < count; i++) {
    const model = models[i % models.length]!;
    const n = Math.floor(i / models.length) + 1;
    const parameters = {
      lr: 10 ** (-4 + (i % 40) / 10),
      depth: 1 + (i % 12),
      optimizer: i % 2 ? 'adam' : 'sgd',
    };
    const auc = 0.6 + ((i * 7_919) % 1_000) / 4_000;
    const folder = join(root, 'runs', 'lifecycle', model, String(n));
    const records = {
      train: trainRecord(model, n, detailsWith(parameters), {
        train_loss: 1 - auc,
        validation_loss: 1.01 - auc,
      }),
      evaluate: evaluateRecord(model, n, { roc_auc: auc, log_loss: 1 - auc, accuracy: 0.8, f1: 0.5 }),
    };
    for (const [stage, record] of Object.entries(records)) {
      mkdirSync(join(folder, stage), { recursive: true });
      writeFileSync(join(folder, stage, 'record.json'), JSON.stringify(record));
    }
  }
}
