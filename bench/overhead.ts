/** What a Python trainer costs more in a lifecycle than by hand: queue, checks of its model, records. */
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import { StageRecord } from '../activities/record.ts';
import { writeRequest } from '../activities/train/request.ts';
import { openEsteira } from '../client/session.ts';
import { startStack } from '../client/stack.ts';
import { stages } from '../contracts/lifecycle.ts';
import { PreparedManifest } from '../contracts/prepared.ts';
import { Project } from '../contracts/project.ts';
import { readConfig } from '../infra/config.ts';
import { readJson, readJsonBlob } from '../infra/store/json.ts';
import { cases, data, stagesOf } from './flights.ts';
import { interpreterOf, trainers } from './python.ts';
import { atMost, just, median, timed } from './row.ts';
import type { Row } from './row.ts';

const example = fileURLToPath(new URL('../examples/flights-lightgbm/', import.meta.url));
const runs = 3;

export async function overhead(home: string): Promise<Row[]> {
  const config = readConfig({ ...process.env, ESTEIRA_HOME: home, ESTEIRA_STORE: '', TEMPORAL_ADDRESS: '' });
  const stack = await startStack(config);
  const esteira = await openEsteira(config);
  try {
    const { folder, project } = await projectIn(join(home, 'project'));
    const stage: number[] = [];
    // The first builds the environment.
    for (let run = 0; run <= runs; run++)
      stage.push((await stagesOf(esteira, folder, cases[0])).get('train')!);
    stage.shift();
    const lifecycleId = `lifecycle/${project.model}/${runs + 1}`;
    const record = await readJson(esteira.store, `runs/${lifecycleId}/train/record.json`, StageRecord);
    const { prepared } = stages.train.input.parse(record!.value.input);
    const manifest = await readJsonBlob(esteira.store, prepared.manifest, PreparedManifest);
    const given = { devices: [], last: undefined, batchScale: 1, budgetMs: undefined };
    const request = await writeRequest(home, esteira.store, project.trainer, manifest, given);
    const byHand: number[] = [];
    const python = await interpreterOf('lightgbm', config.cacheHome);
    const script = fileURLToPath(new URL('ready/lightgbm-trainer.py', trainers));
    const env = { ...process.env, PYTHONPATH: fileURLToPath(trainers), OMP_WAIT_POLICY: 'PASSIVE' };
    for (let run = 0; run < runs; run++) {
      byHand.push((await timed(() => promisify(execFile)(python, [script, request], { env })))[1]);
    }
    const [whole, alone] = [median(stage), median(byHand)];
    const name = `LightGBM on ${manifest.rows.train} flights`;
    return [
      just(`${name}, by hand`, alone, 's'),
      just(`${name}, as a stage`, whole, 's'),
      atMost(`${name}: what the stage adds, less 1 %`, whole - 1.01 * alone, 's', 2),
    ];
  } finally {
    await esteira.close();
    await stack.stop();
  }
}

async function projectIn(folder: string) {
  await mkdir(folder, { recursive: true });
  await cp(join(example, 'flights.sql'), join(folder, 'flights.sql'));
  const text = {
    ...(parse(await readFile(join(example, 'esteira.yaml'), 'utf8')) as object),
    ...{ sources: { flights: { path: data } }, reuse: false, rollout: { steps: [] } },
  };
  await writeFile(join(folder, 'esteira.yaml'), stringify(text));
  return { folder, project: Project.parse(text) };
}
