/** From nothing to a run that is done; what a killed worker costs; what waiting costs. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import type { ApprovalRequest } from '../contracts/approval.ts';
import { taskQueues } from '../contracts/search.ts';
import { forkModule, waitingFlags } from '../infra/child.ts';
import { readConfig } from '../infra/config.ts';
import { startDevServer } from '../infra/dev-server.ts';
import { workflowBundle } from '../infra/workflow-bundle.ts';
import { approval } from '../workflows/approval.ts';
import { residentMb } from './processes.ts';
import { atMost, timed } from './row.ts';
import type { Row } from './row.ts';
import { openStandIn } from './stand-in.ts';
import { napping } from './workflows.ts';

const heartbeatSeconds = 10;
const stepSeconds = 1;

export async function start(home: string): Promise<Row[]> {
  await mkdir(join(home, 'recovery'));
  return [...(await fromNothing(join(home, 'nothing'))), await recovery(join(home, 'recovery'))];
}

/** The real worker; the run is an approval that asks nobody and files that. */
async function fromNothing(home: string): Promise<Row[]> {
  const { cacheHome } = readConfig();
  await workflowBundle(cacheHome); // built once a release, not at each start
  const begun = performance.now();
  const server = await startDevServer({ home, cacheHome });
  const store = pathToFileURL(join(home, 'store')).href;
  const worker = forkModule(new URL('../workers/cpu.ts', import.meta.url), {
    flags: waitingFlags,
    env: { TEMPORAL_ADDRESS: server.address, ESTEIRA_HOME: home, ESTEIRA_STORE: store, LOG_LEVEL: 'warn' },
  });
  const connection = await Connection.connect({ address: server.address });
  try {
    await new Client({ connection }).workflow.execute(approval, {
      workflowId: 'approval/bench/1',
      taskQueue: taskQueues.cpu,
      args: [request],
    });
    const seconds = (performance.now() - begun) / 1_000;
    await sleep(5_000);
    const [serverMb, workerMb] = await Promise.all([server.pid, worker.pid].map(residentMb));
    return [
      atMost('from nothing to a finished run', seconds, 's', 3),
      atMost(
        `idle: server ${serverMb!.toFixed(0)} + worker ${workerMb!.toFixed(0)}`,
        serverMb! + workerMb!,
        'MB',
        350,
      ),
    ];
  } finally {
    await worker.kill();
    await connection.close();
    await server.stop();
  }
}

/** A worker is killed in a step of 1 s, and another is there at once. */
async function recovery(home: string): Promise<Row> {
  const standIn = await openStandIn(home);
  try {
    const { child, said } = await standIn.worker();
    const options = { workflowId: 'napping', taskQueue: 'bench', args: [stepSeconds * 1_000] as [number] };
    const run = await standIn.client.workflow.start(napping, options);
    await said('napping');
    process.kill(child.pid, 'SIGKILL');
    const [, seconds] = await timed(async () => {
      await standIn.worker();
      await run.result();
    });
    return atMost('recovery after kill -9 of a worker', seconds, 's', heartbeatSeconds + stepSeconds + 4);
  } finally {
    await standIn.stop();
  }
}

const digest = 'a'.repeat(64);
const request: ApprovalRequest = {
  requestId: 'bench/1',
  lifecycleId: 'lifecycle/bench/1',
  subject: {
    model: 'bench',
    ...{ modelDigest: digest, datasetDigest: digest, scorecardDigest: digest, policyDigest: digest },
  },
  policy: { policy: 'auto' },
  auto: true,
  requester: 'bench',
  report: { uri: 'blobs/none', sha256: digest, bytes: 0, mediaType: 'text/html' },
  summary: '',
  deadlineMs: 60_000,
};
