/** Devices for a training: as many as it asks for, for as long as it runs, and how busy they were. */
import { permanent } from '../../contracts/failures.ts';
import type { Device } from '../../contracts/trainer.ts';
import type { Trainer } from '../../contracts/training.ts';
import type { DeviceLeases, DeviceUse } from '../../infra/devices.ts';
import type { Say } from '../../infra/python-environment.ts';

export interface DevicePool extends DeviceLeases {
  /** How busy some are; undefined where nothing can be asked. */
  use(devices: readonly Device[]): Promise<DeviceUse[] | undefined>;
  /** The most that any worker has. */
  most(): Promise<number>;
}

/** The mean and the peak of what was seen. */
export interface SeenUse {
  utilization: number;
  memoryPeakBytes: number;
}

const lookMs = 10_000;

/** @param run is given no device where none is asked for, or this worker has none: it trains on the CPU then */
export async function leased<T>(
  { devices: pool }: { devices?: DevicePool },
  { device, gpus }: Trainer,
  say: Say,
  signal: AbortSignal,
  run: (devices: readonly Device[], use: () => SeenUse | undefined) => Promise<T>,
): Promise<T> {
  if (device === 'cpu' || !pool) return run([], () => undefined);
  if (gpus > pool.devices.length) {
    const most = await pool.most();
    const sentence = `the training asks for ${gpus} devices, and this worker has ${pool.devices.length}`;
    if (gpus > most)
      throw permanent('TooFewDevices', `${sentence}; no worker has more than ${most}`, { asked: gpus, most });
    throw new Error(`${sentence}; another has ${most}`);
  }
  say(`waiting for ${gpus} of ${pool.devices.length} devices`);
  const lease = await pool.lease(gpus, signal);
  const seen = new Uses(pool, lease.devices, say);
  try {
    return await run(lease.devices, () => seen.all());
  } finally {
    seen.end();
    lease.release();
  }
}

class Uses {
  readonly #timer: NodeJS.Timeout;
  readonly #utilization: number[] = [];
  #peak = 0;

  constructor(pool: DevicePool, devices: readonly Device[], say: Say) {
    const look = async () => {
      const uses = await pool.use(devices);
      for (const { utilization, memoryUsedBytes } of uses ?? []) {
        this.#utilization.push(utilization);
        this.#peak = Math.max(this.#peak, memoryUsedBytes);
      }
    };
    const failed = (error: unknown) => say(`the devices cannot be looked at: ${String(error)}`);
    void look().catch(failed);
    this.#timer = setInterval(() => void look().catch(failed), lookMs);
  }

  all(): SeenUse | undefined {
    const { length } = this.#utilization;
    if (length === 0) return undefined;
    return {
      utilization: this.#utilization.reduce((sum, one) => sum + one, 0) / length,
      memoryPeakBytes: this.#peak,
    };
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
