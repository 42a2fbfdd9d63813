/** Batch scoring whose worker is killed, which is cancelled, or reset: each part is there once, to the same bytes. */
import assert from 'node:assert/strict';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cancelScore, scoreLook, scoreOutcome, startScore } from '../../client/score.ts';
import { failpoints } from '../../infra/faults.ts';
import { replayAll } from '../support/replay.ts';
import { filesIn, manifestIn, openScoring } from '../support/scoring.ts';
import type { Scoring } from '../support/scoring.ts';
import { until } from '../support/until.ts';

let on: Scoring;
before(async () => (on = await openScoring()));
after(() => on.close());

test(
  'the worker dies at every step, and every part is there once, to the same bytes',
  { timeout: 400_000 },
  async () => {
    const steps = failpoints.filter((point) => point.startsWith('score:'));
    const plain = join(on.root, 'plain');
    await on.scored(join(on.root, 'in'), plain);
    await appendFile(on.faults, steps.map((point) => `${point}:kill@1\n`).join(''));
    const output = join(on.root, 'killed');
    await on.assertWhole(output, await on.scored(join(on.root, 'in'), output));
    const struck = (await readFile(`${on.faults}.struck`, 'utf8')).trimEnd().split('\n');
    assert.equal(struck.length, steps.length, struck.join(', '));
    const digests = async (folder: string) => (await manifestIn(folder)).parts.map(({ sha256 }) => sha256);
    assert.deepEqual(await digests(output), await digests(plain));
  },
);

test('kill -9 midway costs a part: those that are written are found', { timeout: 200_000 }, async () => {
  await appendFile(on.faults, 'score:written:kill@2\n');
  const output = join(on.root, 'midway');
  const id = await startScore(on.belt.esteira, 'm', join(on.root, 'in'), output, { by: 'ana', parallel: 1 });
  const outcome = await scoreOutcome(on.belt.esteira, id);
  await on.assertWhole(output, outcome);
  assert(outcome.found >= 2, `${outcome.found} parts were found`);
});

test(
  'a cancelled scoring stops, and goes on when it is asked for once more',
  { timeout: 200_000 },
  async () => {
    await appendFile(on.faults, 'score:written:slow@1\n');
    const output = join(on.root, 'cancelled');
    const id = await startScore(on.belt.esteira, 'm', join(on.root, 'in'), output, {
      by: 'ana',
      parallel: 1,
    });
    await until(async () => (await filesIn(output)).length > 2);
    assert.equal((await scoreLook(on.belt.esteira, id)).closed, false);
    await cancelScore(on.belt.esteira, id);
    await assert.rejects(scoreOutcome(on.belt.esteira, id), /was cancelled; the same command goes on/);
    assert.equal((await on.scored(join(on.root, 'in'), output)).rows, 301_010);
  },
);

test(
  'a scoring that is over, reset to any of its tasks, writes nothing twice',
  { timeout: 300_000 },
  async () => {
    const output = join(on.root, 'reset');
    const { manifest } = await on.scored(join(on.root, 'in', 'more'), output);
    const id = await startScore(on.belt.esteira, 'm', join(on.root, 'in', 'more'), output, { by: 'ana' });
    await scoreOutcome(on.belt.esteira, id);
    const { workflow, workflowService } = on.belt.esteira.client;
    // Of the first run, which really scored: the second one found it whole.
    const runs: { runId: string; at: number }[] = [];
    for await (const { runId, startTime } of workflow.list({ query: `WorkflowId = '${id}'` }))
      runs.push({ runId, at: startTime.getTime() });
    const { runId } = runs.toSorted((a, b) => a.at - b.at)[0]!;
    const { events } = await workflow.getHandle(id, runId).fetchHistory();
    const tasks = events!.flatMap(({ eventId, workflowTaskCompletedEventAttributes: done }) =>
      done ? [eventId!] : [],
    );
    const before = await readFile(join(output, 'few.parquet'));
    for (const task of tasks) {
      await workflowService.resetWorkflowExecution({
        ...{ namespace: 'default', workflowExecution: { workflowId: id, runId } },
        ...{ workflowTaskFinishEventId: task, reason: 'a drill', requestId: `${id}-${String(task)}` },
      });
      assert.equal((await scoreOutcome(on.belt.esteira, id)).manifest, manifest, `reset to ${String(task)}`);
    }
    assert.deepEqual(await readFile(join(output, 'few.parquet')), before);
    assert.deepEqual((await filesIn(output)).toSorted(), ['_manifest.json', '_plan.json', 'few.parquet']);
  },
);

test('nothing is left in the store or the work folder, and every history replays', async () => {
  await on.assertTidy();
  assert((await replayAll(on.belt.esteira.client))['score']! > 0);
});
