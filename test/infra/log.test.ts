import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger, temporalLogger } from '../../infra/log.ts';

function logged(
  level: string,
  write: (logger: ReturnType<typeof createLogger>) => void,
): Record<string, unknown>[] {
  const lines: string[] = [];
  write(createLogger({ logLevel: level }, { process: 'cpu' }, { write: (line) => void lines.push(line) }));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("a stage's line carries the lifecycle under our names, and Temporal's own beside them", () => {
  const [line] = logged('info', (logger) =>
    temporalLogger(logger).info('trained', {
      workflowId: 'lifecycle/flights/3',
      runId: 'r',
      activityType: 'train',
      attempt: 2,
      error: new Error('slow'),
    }),
  );
  const { time, pid, err, ...rest } = line!;
  assert.deepEqual(rest, {
    level: 30,
    process: 'cpu',
    lifecycleId: 'lifecycle/flights/3',
    model: 'flights',
    stage: 'train',
    workflowId: 'lifecycle/flights/3',
    runId: 'r',
    activityType: 'train',
    attempt: 2,
    msg: 'trained',
  });
  assert(
    typeof time === 'string' && typeof pid === 'number' && (err as { message: string }).message === 'slow',
  );
});

test('a line below the level is not written, and other workflows get no lifecycle', () => {
  const lines = logged('warn', (logger) => {
    temporalLogger(logger).info('quiet');
    temporalLogger(logger).log('WARN', 'loud', { workflowId: 'model/flights' });
  });
  assert.deepEqual(
    lines.map(({ msg, lifecycleId }) => [msg, lifecycleId]),
    [['loud', undefined]],
  );
});
