/**
 * `npm run bench -- gpu`: the embedded trainer and PyTorch on a device against the same on the CPU, on the flights.
 * Prints what ran where. Without a GPU it measures the CPU alone.
 */
import { rm } from 'node:fs/promises';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createTrain } from '../activities/train/index.ts';
import { StageRecord } from '../activities/record.ts';
import { TrainingDetails } from '../contracts/experiment.ts';
import type { Input, Output } from '../contracts/lifecycle.ts';
import { forkModule } from '../infra/child.ts';
import { deviceUse, findDevices, leaseDevices } from '../infra/devices.ts';
import { readJson } from '../infra/store/json.ts';
import {
  flightFeatures,
  flightsSql,
  openBelt,
  pin,
  prepared,
  projectOf,
} from '../test/activities/prepare/belt.ts';
import type { Belt } from '../test/activities/prepare/belt.ts';
import type { Device } from '../contracts/trainer.ts';
import { just } from './row.ts';
import type { Row } from './row.ts';

const sql = flightsSql('2001-01-01', '2001-02-01');
const hidden = [512, 512, 256];
const embedded = { backend: 'onnx', hidden, epochs: 1, batchSize: 16_384, patience: 5 };
const pytorch = {
  ...{ backend: 'python', use: 'pytorch', systemPackages: true },
  parameters: { hidden, epochs: 3, batch_size: 16_384, patience: 5 },
};

export async function gpu(): Promise<Row[]> {
  const devices = await findDevices();
  const belt = await openBelt();
  try {
    const { prepared: made } = await prepared(belt, projectOf({ features: flightFeatures }), sql);
    const rows: Row[] = [];
    for (const [name, trainer] of Object.entries({ embedded, pytorch })) {
      for (const device of devices.length > 0 ? ['cpu', 'gpu'] : ['cpu']) {
        const given = { belt, devices, made, run: rows.length + 1 };
        rows.push(
          await measured(`${name} on ${device}`, { ...trainer, device }, given).catch((error: unknown) =>
            just(`${name} on ${device}: ${String(error).split('\n')[0]!.slice(0, 80)}`, NaN, 's'),
          ),
        );
      }
    }
    return rows;
  } finally {
    await rm(belt.folder, { recursive: true });
  }
}

interface Given {
  belt: Belt;
  devices: Device[];
  made: Output<'prepare'>;
  run: number;
}

async function measured(name: string, trainer: object, { belt, devices, made, run }: Given): Promise<Row> {
  const lifecycleId = `lifecycle/tested/${run}`;
  const project = await pin(belt, projectOf({ features: flightFeatures, trainer }));
  const pool = { ...leaseDevices(devices), use: deviceUse, most: async () => devices.length, lost: () => {} };
  const { train } = createTrain({
    ...belt,
    forkModule,
    ...(devices.length > 0 && { devices: pool }),
  });
  const input: Input<'train'> = { lifecycleId, project, prepared: made };
  const env = new MockActivityEnvironment();
  const { metrics, seconds } = await env.run<[Input<'train'>], Output<'train'>, typeof train>(train, input);
  const record = await readJson(belt.store, `runs/${lifecycleId}/train/record.json`, StageRecord);
  const { hardware, use, agreement } = TrainingDetails.parse(record?.value.details);
  const busy = use
    ? `, busy ${Math.round(100 * use.utilization)} %, peak ${Math.round(use.memoryPeakBytes / 2 ** 20)} MB`
    : '';
  const loss = metrics['validation_loss']?.toFixed(4) ?? 'unknown';
  const apart = agreement ? `, ONNX apart by ${agreement.worst.toExponential(1)} at most` : '';
  const about = `${name}: validation loss ${loss}, ran on ${hardware.device}${busy}${apart}`;
  return just(about, seconds, 's');
}
