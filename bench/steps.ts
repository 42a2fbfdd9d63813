/** What a durable step costs: ten in a row, and many short runs at once. */
import { atLeast, atMost, median, timed } from './row.ts';
import type { Row } from './row.ts';
import { openStandIn } from './stand-in.ts';
import { steps as stepsWorkflow } from './workflows.ts';

const atOnce = 20;
const seconds = 5;

export async function steps(home: string): Promise<Row[]> {
  const standIn = await openStandIn(home);
  try {
    await standIn.worker();
    let n = 0;
    const run = (count: number) =>
      standIn.client.workflow.execute(stepsWorkflow, {
        workflowId: `steps/${++n}`,
        taskQueue: 'bench',
        args: [count],
      });
    for (let i = 0; i < 5; i++) await run(10);
    const tens: number[] = [];
    for (let i = 0; i < 9; i++) tens.push((await timed(() => run(10)))[1]);

    let done = 0;
    const until = performance.now() + seconds * 1_000;
    const loops = Array.from({ length: atOnce }, async () => {
      for (; performance.now() < until; done++) await run(3);
    });
    const [, took] = await timed(() => Promise.all(loops));
    return [
      atMost('ten durable steps, warm', median(tens), 's', 0.25),
      atLeast(`three-step runs, ${atOnce} at once`, done / took, '/s', 25),
    ];
  } finally {
    await standIn.stop();
  }
}
