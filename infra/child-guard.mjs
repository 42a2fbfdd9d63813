/**
 * Preloaded into our child processes: ends the child, and all it started, when its parent is gone.
 *
 * File descriptor 3 is a pipe that the parent holds open until it dies, however it dies. A thread watches it, for
 * the main one may be deep in a computation that blocks its event loop for minutes.
 */
import { isMainThread, Worker } from 'node:worker_threads';

const watch = `
  const { Socket } = require('node:net');
  const parent = new Socket({ fd: 3, readable: true, writable: false });
  parent.on('error', () => {});
  parent.on('close', () => process.kill(-process.pid, 'SIGKILL'));
  parent.resume();
`;

if (isMainThread) new Worker(watch, { eval: true, execArgv: [], env: {} }).unref();
