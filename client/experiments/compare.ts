/** `esteira runs compare`: named runs, or all trials of a search. */
import type { Store } from '../../infra/store/store.ts';
import { goalOf } from './best.ts';
import type { Goal } from './best.ts';
import { readCatalogue } from './catalogue.ts';
import type { Curve } from './curves.ts';
import { comparisonPage } from './page.ts';
import { readRun, readSeries, runName } from './read.ts';
import type { WholeRun } from './read.ts';

const runsAtMost = 1_000;
const readsAtOnce = 16;

export interface Compared {
  wholes: WholeRun[];
  goal: Goal;
  title: string;
}

/**
 * @param names two runs at least; or with `trials` one lifecycle, whose trials are meant
 * @throws Error when there are too few or too many
 */
export async function readCompared(
  store: Store,
  names: readonly string[],
  { cacheHome, trials = false, metric }: { cacheHome: string; trials?: boolean; metric?: string | undefined },
): Promise<Compared> {
  const asked = trials ? await trialNames(store, names, cacheHome) : [...new Set(names)];
  if (asked.length < 2) throw new Error('give at least two runs, or one lifecycle with --trials');
  if (asked.length > runsAtMost) {
    throw new Error(
      `${asked.length} runs are more than ${runsAtMost}, which is what a page can show; name fewer`,
    );
  }
  const wholes = await inTurns(asked, (name) => readRun(store, name));
  const goal = await goalOf(store, wholes, metric);
  const title = trials ? `Search of ${names.join(', ')}` : titleOf(wholes);
  return { wholes, goal, title };
}

async function trialNames(store: Store, names: readonly string[], cacheHome: string): Promise<string[]> {
  const found = await Promise.all(
    names.map(async (text) => {
      const { model, number } = runName(text);
      const { runs } = await readCatalogue(store, { cacheHome, model, number, trials: true });
      return runs.map(({ run }) => run);
    }),
  );
  if (found.flat().length > 0) return found.flat();
  throw new Error(
    `${names.join(', ')} has no trials in ${store.uri}; only a lifecycle whose project has \`search:\` does`,
  );
}

function titleOf(wholes: readonly WholeRun[]): string {
  const models = [...new Set(wholes.map(({ run }) => run.model))];
  return wholes.length <= 4 ? wholes.map(({ run }) => run.run).join(', ') : `Runs of ${models.join(', ')}`;
}

export async function pageOf(store: Store, { wholes, goal, title }: Compared): Promise<string> {
  const curves = await inTurns(wholes, async (whole): Promise<Curve> => ({
    run: whole.run.run,
    series: await readSeries(store, whole),
  }));
  return comparisonPage({ title, runs: wholes.map(({ run }) => run), goal, curves });
}

/** A bounded number at once, in the order given. */
async function inTurns<T, R>(items: readonly T[], act: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let i = 0; i < items.length; i += readsAtOnce) {
    results.push(...(await Promise.all(items.slice(i, i + readsAtOnce).map(act))));
  }
  return results;
}
