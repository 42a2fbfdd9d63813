/**
 * Failpoints: named places where a process can be made to die, fail, hang or dawdle, so that tests and the
 * nemesis reach moments that chance never would. Free while `ESTEIRA_FAULT` is unset: one comparison.
 *
 *     await failpoint('store:staged');
 */
import { appendFileSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { faultSetting } from './config.ts';
import { hasCode } from './errno.ts';
import { parseFaults } from './faults.ts';
import type { Failpoint, Fault } from './faults.ts';

const slowMs = 2_000;

let setting = faultSetting();
let source: (() => Armed[]) | undefined;

/** A fault, and how often its place was passed since it was armed. */
interface Armed extends Fault {
  line: string;
  passed: number;
}

/** @returns undefined unless a fault is set; wait for it in any case */
export function failpoint(point: Failpoint): Promise<void> | undefined {
  return setting === undefined ? undefined : pass(point);
}

/** For tests in one process; undefined disarms. The form is that of `ESTEIRA_FAULT`. */
export function armFailpoints(text: string | undefined): void {
  setting = text;
  source = undefined;
}

async function pass(point: Failpoint): Promise<void> {
  source ??= setting!.startsWith('file:') ? faultFile(setting!.slice('file:'.length)) : listed(setting!);
  for (const fault of source()) {
    if (fault.point === point && ++fault.passed === fault.at) await strike(fault);
  }
}

async function strike({ point, action, line }: Armed): Promise<void> {
  if (setting?.startsWith('file:')) struck(setting.slice('file:'.length), line);
  if (action === 'throw') throw new Error(`failpoint ${point}`);
  if (action === 'slow') return sleep(slowMs);
  if (action === 'kill') process.kill(process.pid, 'SIGKILL');
  await new Promise(() => setInterval(() => {}, 60_000)); // alive, and getting nowhere
}

function listed(text: string): () => Armed[] {
  const faults = parseFaults(text).map((fault) => ({ ...fault, line: '', passed: 0 }));
  return () => faults;
}

/**
 * A file may grow while processes run. What struck is noted beside it (`<file>.struck`, one line each, written
 * before the blow), so that a process which is started again does not die of the same fault.
 */
function faultFile(path: string): () => Armed[] {
  let seen = -1;
  const armed = new Map<string, Armed>();
  return () => {
    const changed = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? -1;
    if (changed !== seen) {
      seen = changed;
      lines(path).forEach((text, i) => {
        const line = `${i + 1} ${text}`;
        const [fault] = parseFaults(text);
        if (fault && !armed.has(line)) armed.set(line, { ...fault, line, passed: 0 });
      });
    }
    const past = new Set(lines(`${path}.struck`));
    return [...armed.values()].filter(({ line }) => !past.has(line));
  };
}

function struck(path: string, line: string): void {
  appendFileSync(`${path}.struck`, `${line}\n`);
}

function lines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(0, -1);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
