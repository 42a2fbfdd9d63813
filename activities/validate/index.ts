/**
 * Validate: holds a dataset version against the project's checks and the schema of the last good
 * version, and files its profile. A broken `error` check is an outcome, not a failure.
 */
import type { Artifact } from '../../contracts/artifact.ts';
import { DatasetManifest } from '../../contracts/dataset.ts';
import type { BrokenCheck, StageActivities } from '../../contracts/lifecycle.ts';
import { PinnedProject } from '../../contracts/project.ts';
import type { DuckDb } from '../../infra/duckdb.ts';
import { quoteLiteral } from '../../infra/duckdb.ts';
import { failpoint } from '../../infra/failpoint.ts';
import { putJsonBlob, readJson, readJsonBlob, swapJson } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { countingOf, examplesOf, judge } from './checks.ts';
import { profileOf } from './profile.ts';
import { compareSchemas } from './schema.ts';
import { withEngine } from '../engine.ts';
import type { EngineDeps } from '../engine.ts';
import { recorded } from '../record.ts';

export interface ValidateDeps extends EngineDeps {
  store: Store;
}

const examplesAtMost = 10;

export function createValidate(deps: ValidateDeps): Pick<StageActivities, 'validate'> {
  return {
    async validate(unparsed) {
      const output = await recorded(deps.store, 'validate', unparsed, async (input) => {
        const { project } = await readJsonBlob(deps.store, input.project, PinnedProject);
        const manifest = await readJsonBlob(deps.store, input.dataset.manifest, DatasetManifest);
        const lastGood = await readJson(deps.store, lastGoodKey(manifest.name), DatasetManifest);
        const { broken, profile } = await withEngine(deps, 'validate', async (db) => {
          await openParts(db, deps.store, manifest);
          return {
            broken: await breaches(db, project.checks, manifest),
            profile: await profileOf(db, manifest),
          };
        });
        broken.push(...compareSchemas(lastGood?.value, manifest));
        const passed = broken.every((one) => one.severity === 'warn');
        await failpoint('validate:judged');
        const output = {
          passed,
          // Rows stay in the store: they may be somebody's, and Temporal keeps what it is given.
          broken: broken.slice(0, 50).map((one) => ({ ...one, examples: [] })),
          checks: project.checks.length + 1, // the schema's comparison is one more
          profile: await putJsonBlob(deps.store, profile),
        };
        return {
          output,
          inputs: { project: input.project, dataset: input.dataset.manifest },
          details: { broken },
        };
      });
      // Once the record is there: an attempt that is tried again must not compare the data with itself.
      if (output.passed) await remember(deps.store, unparsed.dataset.manifest);
      return output;
    },
  };
}

const lastGoodKey = (name: string) => `datasets/${name}/refs/last-good.json`;

async function remember(store: Store, artifact: Artifact): Promise<void> {
  const manifest = await readJsonBlob(store, artifact, DatasetManifest);
  const lastGood = await readJson(store, lastGoodKey(manifest.name), DatasetManifest);
  await swapJson(store, lastGoodKey(manifest.name), manifest, lastGood?.etag);
}

async function openParts(db: DuckDb, store: Store, manifest: DatasetManifest): Promise<void> {
  const paths = await Promise.all(manifest.parts.map(({ artifact }) => store.localPath(artifact)));
  await db.run(`CREATE VIEW dataset AS SELECT * FROM read_parquet([${paths.map(quoteLiteral).join(', ')}])`);
  await db.lock(paths); // a project's own checks are SQL
}

/** Counts every check in one scan, then fetches examples only for those that are broken. */
async function breaches(
  db: DuckDb,
  checks: PinnedProject['project']['checks'],
  manifest: DatasetManifest,
): Promise<BrokenCheck[]> {
  if (checks.length === 0) return [];
  const countings = checks.map((check) => countingOf(check, manifest));
  const selected = countings.map(({ sql }, i) => `${sql} AS c${i}`).join(', ');
  const [counts] = await db.rows<Record<string, number>>(`SELECT ${selected} FROM dataset`);
  const broken: BrokenCheck[] = [];
  for (const [i, check] of checks.entries()) {
    const found = judge(check, Number(counts![`c${i}`]), manifest);
    if (!found) continue;
    const where = examplesOf(check, manifest);
    const rows = where ? await db.rows(`SELECT * FROM dataset WHERE ${where} LIMIT ${examplesAtMost}`) : [];
    broken.push({ ...found, examples: rows.map(shortened) });
  }
  return broken;
}

/** At most 12 columns of at most 200 characters. */
function shortened(row: Record<string, unknown>): Record<string, string | null> {
  const entries = Object.entries(row).slice(0, 12);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, value === null ? null : String(value).slice(0, 200)]),
  );
}
