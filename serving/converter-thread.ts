/** The thread that makes Parquet of journals, so that requests do not wait for it. Started by `threaded-converter.ts`. */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { DuckDbOptions } from '../infra/duckdb.ts';
import { openConverter } from './converter.ts';
import type { JournalHeader } from './journal.ts';

// Answers go first where there are too few processors; a quarter of one is left for the log. Elsewhere it is the whole process's.
if (process.platform === 'linux') setPriority(5);
const converter = await openConverter(workerData as DuckDbOptions);
parentPort!.on('message', (asked: { path: string; header: JournalHeader } | 'close') => {
  if (asked === 'close') return void converter.close().then(() => parentPort!.close());
  converter.convert(asked.path, asked.header).then(
    (parts) => parentPort!.postMessage({ parts }),
    (error: unknown) => parentPort!.postMessage({ fault: String(error) }),
  );
});
parentPort!.postMessage({ parts: [] });
