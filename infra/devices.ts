/**
 * The GPUs of this machine: which there are, how busy they are, and who has them.
 *
 * A training leases whole devices. It waits for all it needs and then takes them at once, first come first served, so
 * that two that need several never wait for each other.
 *
 * @see nvidia-smi(1), --query-gpu
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Device } from '../contracts/trainer.ts';
import { ConfigError } from './config.ts';
import { hasCode } from './errno.ts';

const run = promisify(execFile);
const mebibyte = 1024 * 1024;

export interface DeviceUse {
  index: number;
  /** In [0, 1]. */
  utilization: number;
  memoryUsedBytes: number;
}

/**
 * @param chosen indices that this worker may use; all, if absent. One that nvidia-smi does not know is taken on trust
 * where there is no nvidia-smi at all. One that is there and does not answer has no devices: its driver is missing.
 * @throws {ConfigError} for an index that the machine does not have
 */
export async function findDevices(chosen?: readonly number[]): Promise<Device[]> {
  const lines = await nvidiaSmi('index,name,memory.total').catch(() => []);
  if (!lines) return (chosen ?? []).map((index) => ({ index, name: 'unknown device', memoryBytes: 0 }));
  const found = lines.map(([index, name, memory]) => ({
    index: Number(index),
    name: name!,
    memoryBytes: Number(memory) * mebibyte,
  }));
  if (!chosen) return found;
  return chosen.map((index) => {
    const device = found.find((one) => one.index === index);
    if (device) return device;
    const known = found.map((one) => one.index).join(', ') || 'none';
    throw new ConfigError(
      `ESTEIRA_GPUS names device ${index}, which this machine does not have; it has ${known}.`,
    );
  });
}

/**
 * One that has vanished since it was found is missing.
 *
 * @returns undefined where nothing can be asked
 * @throws Error with the words of nvidia-smi, such as that a device fell off the bus
 */
export async function deviceUse(devices: readonly Device[]): Promise<DeviceUse[] | undefined> {
  const lines = await nvidiaSmi('index,utilization.gpu,memory.used');
  return lines
    ?.map(([index, utilization, used]) => ({
      index: Number(index),
      utilization: Number(utilization) / 100,
      memoryUsedBytes: Number(used) * mebibyte,
    }))
    .filter(({ index }) => devices.some((device) => device.index === index));
}

async function nvidiaSmi(query: string): Promise<string[][] | undefined> {
  const args = [`--query-gpu=${query}`, '--format=csv,noheader,nounits'];
  try {
    const { stdout } = await run('nvidia-smi', args, { timeout: 20_000 });
    const lines = stdout.split('\n').filter((line) => line.trim() !== '');
    return lines.map((line) => line.split(',').map((cell) => cell.trim()));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    const words = `${stderr}${stdout}`.trim().replaceAll(/\s+/g, ' ');
    throw new Error(`nvidia-smi fails: ${words || (error as Error).message}`, { cause: error });
  }
}

export interface DeviceLeases {
  /** All that this worker has. */
  readonly devices: readonly Device[];
  /** Waits until `count` are free, and takes them. @throws what `signal` was aborted with */
  lease(count: number, signal: AbortSignal): Promise<LeasedDevices>;
}

export interface LeasedDevices {
  devices: readonly Device[];
  release(): void;
}

export function leaseDevices(devices: readonly Device[]): DeviceLeases {
  const free = new Set(devices);
  const waiting: { count: number; take: (taken: Device[]) => void }[] = [];
  const serve = () => {
    for (let next = waiting[0]; next && next.count <= free.size; next = waiting[0]) {
      waiting.shift();
      const taken = devices.filter((device) => free.has(device)).slice(0, next.count);
      for (const device of taken) free.delete(device);
      next.take(taken);
    }
  };
  return {
    devices,
    async lease(count, signal) {
      signal.throwIfAborted();
      const taken = await new Promise<Device[]>((resolve, reject) => {
        const waiter = { count, take: resolve };
        waiting.push(waiter);
        signal.addEventListener('abort', () => {
          const at = waiting.indexOf(waiter);
          if (at < 0) return;
          waiting.splice(at, 1);
          reject(signal.reason as Error);
          serve();
        });
        serve();
      });
      let released = false;
      return {
        devices: taken,
        release() {
          if (released) return;
          released = true;
          for (const device of taken) free.add(device);
          serve();
        },
      };
    },
  };
}
