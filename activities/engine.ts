/** A DuckDB engine that lives as long as one attempt of one stage, spilling into a folder of its own. */
import type { DuckDb } from '../infra/duckdb.ts';
import { withWorkFolder } from './work-folder.ts';

export interface EngineDeps {
  workDir: string;
  /** A fresh engine with bounded memory, spilling into `folder`. */
  openDuckDb(folder: string): Promise<DuckDb>;
}

export async function withEngine<T>(
  deps: EngineDeps,
  stage: string,
  use: (db: DuckDb, folder: string) => Promise<T>,
): Promise<T> {
  return withWorkFolder(deps.workDir, stage, async (folder) => {
    const db = await deps.openDuckDb(folder);
    try {
      return await use(db, folder);
    } finally {
      await db.close();
    }
  });
}
