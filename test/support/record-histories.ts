/**
 * Records a release: every run that a server holds, as protobuf JSON, for `test/histories/<release>/`.
 *
 *     node --import tsx test/support/record-histories.ts 0.1.0 127.0.0.1:7233
 *
 * Run it once a release, against a stack that has lived: the demo with `--keep`, and a rollback. What
 * it wrote is never written again.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

const [release, address] = process.argv.slice(2);
if (!release || !address)
  throw new Error('usage: record-histories.ts <release> <host:port of the Temporal server>');
const folder = fileURLToPath(new URL(`../histories/${release}/`, import.meta.url));
await mkdir(folder, { recursive: true });
const connection = await Connection.connect({ address });
const client = new Client({ connection });
for await (const { workflowId, runId, type } of client.workflow.list()) {
  if (type.startsWith('temporal-')) continue; // the server's own, of Schedules
  const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  const name = `${workflowId.replaceAll('/', '~').replaceAll(':', '-')}.json`;
  await writeFile(`${folder}${name}`, historyToJSON(history), { flag: 'wx' });
  console.log(name);
}
await connection.close();
