/**
 * Scores the parts of a batch, a process of its own: `score-child.ts <request.json>`. One thread each for DuckDB and
 * the model: a worker runs as many of these as it has cores.
 */
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { openDuckDb } from '../../infra/duckdb.ts';
import { ModelFault, openChecked } from '../../infra/onnx/open.ts';
import { ScoreChildRequest } from './child-protocol.ts';
import type { ScoreChildEvent } from './child-protocol.ts';
import { PartFault, PartScorer } from './part-scorer.ts';

const progressMs = 500;

process.exitCode = await main(process.argv.at(-1)!);

async function main(requestPath: string): Promise<number> {
  const request = ScoreChildRequest.parse(JSON.parse(await readFile(requestPath, 'utf8')));
  const db = await openDuckDb({ memory: '512MB', threads: 1, spillDir: dirname(requestPath) });
  let at = 0;
  try {
    const scorer = new PartScorer(db, await openChecked(request.model), request, progress());
    for (const part of request.parts) {
      at = part.part;
      await scorer.score(part);
      emit({ event: 'part', part: at });
    }
    return 0;
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 2_000) : '';
    if (error instanceof ModelFault) emit({ event: 'refused', reason });
    else if (error instanceof PartFault) emit({ event: 'unreadable', part: at, reason });
    else throw error;
    return 1;
  } finally {
    await db.close();
  }
}

/** Tells of rows at most twice a second, and at least whenever a chunk is answered after that. */
function progress(): (rows: number) => void {
  let told = performance.now();
  return (rows) => {
    if (performance.now() - told < progressMs) return;
    told = performance.now();
    emit({ event: 'progress', rows });
  };
}

function emit(event: ScoreChildEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}
