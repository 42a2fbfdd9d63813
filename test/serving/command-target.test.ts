/** A model that a user's program serves: it is told of each change, and a rollout sees what it says. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ReplicaStatus } from '../../contracts/serving.ts';
import { forkModule } from '../../infra/child.ts';
import { readJson } from '../../infra/store/json.ts';
import { publishSlots, publishVersion } from '../support/serving-model.ts';
import { makePlace } from '../support/server.ts';
import { until } from '../support/until.ts';

/** Notes what it is asked; answers as the file `answer.json` beside it says. */
const program = `
import { appendFileSync, readFileSync } from 'node:fs';
const question = JSON.parse(readFileSync(0, 'utf8'));
appendFileSync(new URL('./asked.jsonl', import.meta.url), JSON.stringify(question) + '\\n');
const answers = JSON.parse(readFileSync(new URL('./answer.json', import.meta.url), 'utf8'));
if (answers.exit) { console.error('quota exceeded'); process.exit(answers.exit); }
console.log('a line for people');
console.log(JSON.stringify(answers[question.action]));
`;

test(
  'it is told of slots with packages in folders, and stands among the replicas',
  { timeout: 240_000 },
  async () => {
    const place = await makePlace();
    const file = (name: string) => join(place.root, name);
    await writeFile(file('deploy.mjs'), program);
    const answer = (content: object) => writeFile(file('answer.json'), JSON.stringify(content));
    const healthy = { healthy: true, versions: [{ version: 1, requests: 70, errors: 2 }] };
    await answer({ apply: { ready: true, url: 'https://cloud.example/flights' }, health: healthy });
    const first = await publishVersion(place.store, 1, 1);
    await publishSlots(place.store, { champion: first });
    const child = forkModule(new URL('../../serving/command-target.ts', import.meta.url), {
      args: ['--replica', 'cloud', '--model', 'flights', '--', process.execPath, file('deploy.mjs')],
      env: {
        ESTEIRA_HOME: place.root,
        ESTEIRA_STORE: pathToFileURL(join(place.root, 'store')).href,
        ESTEIRA_CACHE: join(place.root, 'cache'),
        LOG_LEVEL: 'fatal',
      },
      onText: () => {},
    });
    const note = async () => (await readJson(place.store, 'replicas/cloud.json', ReplicaStatus))?.value;
    const state = async () => (await note())?.models['flights'];
    await until(async () => (await state())?.epoch === 1);
    assert.equal((await note())?.url, 'https://cloud.example/flights');
    assert.deepEqual((await state())?.loaded, [1]);
    await until(async () => (await state())?.counters[0]?.requests === 70);
    const [asked] = (await readFile(file('asked.jsonl'), 'utf8')).split('\n');
    const order = JSON.parse(asked!) as {
      action: string;
      champion: { version: number; digest: string; folder: string };
    };
    assert.equal(order.action, 'apply');
    assert.equal(order.champion.digest, first.package.sha256);
    for (const name of ['model.onnx', 'signature.json', 'golden.json'])
      assert(existsSync(join(order.champion.folder, name)), name);

    // A change that it cannot make leaves the old one, and is told after some tries.
    await answer({ exit: 3 });
    const challenger = { ...(await publishVersion(place.store, 2, 2)), share: 0.1 };
    await publishSlots(place.store, { champion: first, challenger });
    await until(
      async () => ((await state())?.failed.length ?? 0) > 0 && (await state())?.failed[0]?.version === 2,
    );
    assert.equal((await state())?.epoch, 1);
    assert.match((await state())!.failed[0]!.reason, /ended with 3: quota exceeded/);

    // One that is there and does badly is told as well.
    await answer({
      apply: { ready: true },
      health: { healthy: false, reason: 'half of its machines are down' },
    });
    await publishSlots(place.store, { champion: first, challenger: { ...challenger, share: 0.2 } });
    await until(async () => (await state())?.epoch === 3);
    await until(async () => (await state())?.failed[0]?.reason === 'half of its machines are down');
    await child.kill();
    assert.equal(await note(), undefined);
    await place.remove();
  },
);
