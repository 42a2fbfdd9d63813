/**
 * Preloaded into our child processes that are TypeScript. Only their main thread gets the loader: other threads are
 * Temporal's own and run JavaScript, and a second loader would cost each of them 35 MB and 200 ms.
 */
import { isMainThread } from 'node:worker_threads';

if (isMainThread) await import('tsx');
