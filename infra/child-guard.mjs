/**
 * Preloaded into our child processes: ends the child, and all it started, when its parent is gone, or when it takes
 * more than `CHILD_GUARD` in its environment allows.
 *
 * File descriptor 3 is a pipe that the parent holds open until it dies, however it dies; the name of a limit that was
 * passed goes the other way. A thread watches, for the main one may be deep in a computation that blocks its event loop
 * for minutes.
 */
import { isMainThread, Worker } from 'node:worker_threads';

const watch = `
  const { writeFileSync, writeSync } = require('node:fs');
  const { Socket } = require('node:net');
  const { workerData } = require('node:worker_threads');
  const end = () => process.kill(-process.pid, 'SIGKILL');
  const parent = new Socket({ fd: 3, readable: true, writable: false });
  parent.on('error', () => {});
  parent.on('close', end);
  parent.resume();
  if (workerData) {
    const { memoryBytes, totalMs } = JSON.parse(workerData);
    const over = (limit) => { writeSync(3, limit); end(); };
    setTimeout(over, totalMs, 'time');
    setInterval(() => process.memoryUsage.rss() > memoryBytes && over('memory'), 20);
    // Should the machine run out of memory before we do, this process is the one to go.
    try { writeFileSync('/proc/self/oom_score_adj', '1000'); } catch (error) { if (!error.code) throw error; }
  }
`;

if (isMainThread) {
  const limits = process.env.CHILD_GUARD;
  new Worker(watch, { eval: true, execArgv: [], env: {}, workerData: limits }).unref();
}
