/** What this machine is, for records that people compare. */
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import type { Hardware } from '../contracts/experiment.ts';

export function hardware(): Omit<Hardware, 'device' | 'devices'> {
  return {
    cpu: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    platform: `${process.platform}-${process.arch} ${release()}`,
  };
}
