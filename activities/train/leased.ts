/** Devices for a training: as many as it asks for, for as long as it runs, and how busy they were. */
import { permanent } from '../../contracts/failures.ts';
import type { Device } from '../../contracts/trainer.ts';
import type { Trainer } from '../../contracts/training.ts';
import type { DeviceLeases, DeviceUse } from '../../infra/devices.ts';

export interface DevicePool extends DeviceLeases {
  /** How busy some are, without those that are gone; undefined where nothing can be asked. */
  use(devices: readonly Device[]): Promise<DeviceUse[] | undefined>;
  /** The most that any worker has. */
  most(): Promise<number>;
  /** Devices have vanished: this worker must not take another training. */
  lost(why: string): void;
}

/** The mean and the peak of what was seen. */
export interface SeenUse {
  utilization: number;
  memoryPeakBytes: number;
}

/** Who hears of devices while they are leased. */
export interface LeaseListener {
  say(doing: string): void;
  use(utilization: number, memoryBytes: number): void;
}

const lookMs = 5_000;

/**
 * @param run is given no device where none is asked for, or this worker has none: it trains on the CPU then. Its
 * signal is also aborted when a device vanishes.
 * @throws Error when a device has vanished, to be tried again elsewhere; `TooFewDevices`; what `run` throws
 */
export async function leased<T>(
  { devices: pool }: { devices?: DevicePool },
  { device, gpus }: Trainer,
  listener: LeaseListener,
  signal: AbortSignal,
  run: (devices: readonly Device[], use: () => SeenUse | undefined, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (device === 'cpu' || !pool) return run([], () => undefined, signal);
  if (gpus > pool.devices.length) {
    const most = await pool.most();
    const sentence = `the training asks for ${gpus} devices, and this worker has ${pool.devices.length}`;
    if (gpus > most)
      throw permanent('TooFewDevices', `${sentence}; no worker has more than ${most}`, { asked: gpus, most });
    throw new Error(`${sentence}; another has ${most}`);
  }
  listener.say(`waiting for ${gpus} of ${pool.devices.length} devices`);
  const lease = await pool.lease(gpus, signal);
  const watch = new Watch(pool, lease.devices, listener);
  try {
    return await run(lease.devices, () => watch.seen(), AbortSignal.any([signal, watch.vanished]));
  } catch (error) {
    // A trainer whose device has vanished says so in its framework's words, and is not to blame.
    await watch.look();
    if (signal.aborted || !watch.vanished.aborted) throw error;
    const last = error instanceof Error && error !== watch.vanished.reason ? `: ${error.message}` : '';
    throw new Error(`${(watch.vanished.reason as Error).message}${last}`, { cause: error });
  } finally {
    watch.end();
    lease.release();
  }
}

/** Looks at leased devices every few seconds: how busy they are, and whether they are there. */
class Watch {
  readonly #pool: DevicePool;
  readonly #devices: readonly Device[];
  readonly #listener: LeaseListener;
  readonly #timer: NodeJS.Timeout;
  readonly #vanished = new AbortController();
  readonly #utilization: number[] = [];
  #peak = 0;

  constructor(pool: DevicePool, devices: readonly Device[], listener: LeaseListener) {
    this.#pool = pool;
    this.#devices = devices;
    this.#listener = listener;
    void this.look();
    this.#timer = setInterval(() => void this.look(), lookMs);
  }

  /** Aborted, with the reason, when a device is gone. */
  get vanished(): AbortSignal {
    return this.#vanished.signal;
  }

  async look(): Promise<void> {
    try {
      const uses = await this.#pool.use(this.#devices);
      if (uses) this.#saw(uses);
    } catch (error) {
      const { message } = error as Error;
      if (/\bis lost\b|fallen off the bus/i.test(message)) this.#lose(this.#devices);
      else this.#listener.say(`the devices cannot be looked at: ${message}`);
    }
  }

  #saw(uses: readonly DeviceUse[]): void {
    const gone = this.#devices.filter(({ index }) => uses.every((use) => use.index !== index));
    if (gone.length > 0) this.#lose(gone);
    if (uses.length === 0) return;
    const busy = uses.reduce((sum, { utilization }) => sum + utilization, 0) / uses.length;
    const memory = uses.reduce((sum, { memoryUsedBytes }) => sum + memoryUsedBytes, 0);
    this.#utilization.push(busy);
    this.#peak = Math.max(this.#peak, memory);
    this.#listener.use(busy, memory);
  }

  #lose(gone: readonly Device[]): void {
    if (this.vanished.aborted) return;
    const names = gone.map(({ index, name }) => `device ${index} (${name})`).join(', ');
    const why = `${names} vanished while it trained, as nvidia-smi says`;
    this.#vanished.abort(new Error(why));
    this.#pool.lost(why);
  }

  seen(): SeenUse | undefined {
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
