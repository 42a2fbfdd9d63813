/** `esteira replay --running` on a real stack: what is open replays, and what would not is named. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { replay, unreadable } from '../../client/replay.ts';
import { approvalWorkflowId, modelWorkflowId } from '../../contracts/search.ts';
import { openBelt } from '../support/belt.ts';
import type { Belt } from '../support/belt.ts';
import { replayAll } from '../support/replay.ts';
import { until } from '../support/until.ts';

const program = fileURLToPath(new URL('../../client/esteira.mjs', import.meta.url));
const people = { policy: 'people' as const, need: { risk: 1 }, people: { risk: ['bo'] } };
const open = [
  modelWorkflowId('asks'),
  approvalWorkflowId('asks/1'),
  'lifecycle/asks/1',
  modelWorkflowId('done'),
];

let belt: Belt;
before(async () => {
  belt = await openBelt();
  const { esteira } = belt;
  const done = await belt.start(await belt.project('done'));
  await belt.start(await belt.project('asks', { approval: people }));
  assert.equal((await esteira.outcome(done)).status, 'deployed');
  await until(async () => (await esteira.approvals()).length === 1);
  await until(async () => (await esteira.describe('done'))?.inFlight === null);
});
after(() => belt.close());

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

function command(...args: string[]): Promise<Ran> {
  const env = {
    ...process.env,
    ESTEIRA_HOME: belt.home,
    ESTEIRA_STORE: '',
    TEMPORAL_ADDRESS: '',
    NO_COLOR: '1',
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env, timeout: 720_000 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

async function historyOf(workflowId: string) {
  const history = await belt.esteira.client.workflow.getHandle(workflowId).fetchHistory();
  return { workflowId, history };
}
type Told = Awaited<ReturnType<typeof historyOf>>;

async function replayed(...told: Told[]) {
  const histories = async function* () {
    yield* told;
  };
  return replay(histories(), belt.config.cacheHome);
}

test('what is open replays: an approval, its lifecycle, and each model', async () => {
  // Visibility lags a moment.
  let ran: Ran | undefined;
  await until(async () => {
    ran = await command('replay', '--running', '--json');
    return ran.code !== 0 || JSON.parse(ran.stdout).replayed === open.length;
  });
  assert.deepEqual([ran!.code, JSON.parse(ran!.stdout)], [0, { replayed: 4, broken: [] }], ran!.stderr);
  const said = await command('replay', '--running');
  assert.deepEqual([said.code, said.stdout], [0, '4 open runs replay with this code.\n'], said.stderr);
});

test('a history that this code would not retell is named, and those beside it are not', async () => {
  const [fine, other] = [await historyOf(open[3]!), await historyOf(open[1]!)];
  const changed = await historyOf(open[2]!);
  const scheduled = changed.history.events!.find((event) => event.activityTaskScheduledEventAttributes);
  scheduled!.activityTaskScheduledEventAttributes!.activityType!.name = 'swallow';
  const found = await replayed(fine, changed, other);
  assert.deepEqual(
    found.map(({ workflowId }) => workflowId),
    [open[3], open[2], open[1]],
  );
  assert.deepEqual([found[0]!.error, found[2]!.error], [null, null]);
  assert.match(found[1]!.error!, /nondeterminism.*swallow/i);
});

test('a payload that this code could not read is named, though the run replays', async () => {
  const input = await historyOf(open[1]!);
  const started = input.history.events![0]!.workflowExecutionStartedEventAttributes!;
  rewrite(started.input!.payloads![0]!, (request) => ({ ...request, deadlineMs: 'soon' }));
  assert.match(unreadable(input.history)!, /^the input of approval does not parse: .*deadlineMs/);

  const result = await historyOf(open[2]!);
  const done = result.history.events!.find((event) => event.activityTaskCompletedEventAttributes);
  const { payloads } = done!.activityTaskCompletedEventAttributes!.result!;
  rewrite(payloads![0]!, (dataset) => ({ ...dataset, name: 7 }));
  const [read] = await replayed(result);
  assert.match(read!.error!, /^the result of ingest does not parse: .*name/);
  assert.equal(unreadable((await historyOf(open[2]!)).history), null);
});

function rewrite(
  payload: { data?: Uint8Array | null },
  change: (value: Record<string, unknown>) => object,
): void {
  payload.data = Buffer.from(JSON.stringify(change(JSON.parse(Buffer.from(payload.data!).toString()))));
}

test('an open run that would break ends the command with 1, and is named', async () => {
  // A stranger's: a plan that no code of ours ever wrote. No worker takes it, so that it stays open.
  const { client } = belt.esteira;
  const workflowId = 'lifecycle/strange/1';
  await client.workflow.start('lifecycle', { workflowId, taskQueue: 'nobody', args: [{ model: 7 }] });
  let ran: Ran | undefined;
  await until(async () => (ran = await command('replay', '--running')).stdout.includes(workflowId));
  assert.equal(ran!.code, 1, ran!.stderr);
  assert.match(
    ran!.stdout,
    /^1 of 5 open runs would break:\n {2}lifecycle\/strange\/1: the input of lifecycle/m,
  );
  await client.workflow.getHandle(workflowId).terminate('looked at');
});

test('the approval goes on, and every run here is retold', async () => {
  const { esteira } = belt;
  assert((await esteira.decide('asks/1', { approved: true, by: 'bo', reason: 'good' })).accepted);
  assert.equal((await esteira.outcome('lifecycle/asks/1')).status, 'deployed');
  const types = await replayAll(esteira.client);
  assert.deepEqual(types, { model: 2, lifecycle: 3, approval: 2, rollout: 2 });
});
