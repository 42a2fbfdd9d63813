/** One prediction, whatever protocol it came by: route, decode, run, write down, answer — in that order, so that no answer is unrecorded. */
import { randomUUID } from 'node:crypto';
import type { Route } from '../contracts/serving.ts';
import { isFloat } from '../infra/onnx/datatypes.ts';
import type { Catalogue, Host, Routed } from './catalogue.ts';
import type { Wanted } from './envelope.ts';
import type { Ran } from './lane.ts';
import type { LoadedVersion } from './loaded-version.ts';
import { Refusal } from '../infra/refusal.ts';
import { pointOf } from './routing.ts';
import type { Rows } from './rows.ts';

export interface Question {
  id: string | undefined;
  /** What a caller sticks to one version by. */
  key: string | undefined;
  time: string | undefined;
  /** By the clock of `performance.now`. */
  arrived: number;
  deadline: number;
  /** @throws Refusal 400. To be called again for each version that is asked beside. */
  read(version: LoadedVersion): Rows;
  /** @throws Refusal 400 */
  wanted(version: LoadedVersion): readonly Wanted[];
}

export interface Prediction extends Routed {
  id: string;
  rows: number;
  ran: Ran;
  wanted: readonly Wanted[];
}

/** @param asked a version by its number, which goes before routing. @throws Refusal */
export async function predict(
  catalogue: Catalogue,
  host: Host,
  asked: string | undefined,
  question: Question,
): Promise<Prediction> {
  const id = question.id ?? randomUUID();
  const routed = asked === undefined ? host.route(question.key ?? id) : named(host, asked);
  if (!routed) throw new Refusal(503, `model "${host.name}" has no version to serve yet`);
  const { version } = routed;
  const log = catalogue.log(version, id);
  const started = performance.now();
  const wanted = question.wanted(version);
  const rows = question.read(version);
  version.times.decodeMs += performance.now() - started;
  version.hold();
  try {
    const ran = await run(version, rows, wanted, question.deadline);
    if (log) {
      const head = headOf(routed, id, question, routed.route);
      await log((to) => version.write(to, head, rows, ran), rows.count);
    }
    version.counters.answered(rows.count, performance.now() - question.arrived);
    version.times.ran(ran);
    if (host.state.challenger) askBeside(catalogue, host, routed, { id, question, rows, ran });
    return { version, route: routed.route, epoch: routed.epoch, id, rows: rows.count, ran, wanted };
  } finally {
    version.letGo();
  }
}

/** @returns the version, if it is loaded, by its number as the path has it. @throws Refusal 404 */
export function named(host: Host, asked: string): Routed {
  const { champion, challenger, epoch } = host.state;
  if (challenger && String(challenger.version) === asked)
    return { version: challenger, route: 'challenger', epoch };
  if (champion && String(champion.version) === asked) return { version: champion, route: 'champion', epoch };
  const loaded = host.loaded.map(({ version }) => version).join(', ') || 'none';
  throw new Refusal(
    404,
    `version ${asked.slice(0, 40)} of model "${host.name}" is not loaded; loaded: ${loaded}`,
  );
}

async function run(
  version: LoadedVersion,
  rows: Rows,
  wanted: readonly Wanted[],
  deadline: number,
): Promise<Ran> {
  try {
    const ran = await version.lane.infer(rows, deadline);
    if (version.nan === 'refuse') refuseNonFinite(wanted, ran, rows.count);
    return ran;
  } catch (error) {
    if (!(error instanceof Refusal) || error.status === 500) version.counters.failed();
    throw error;
  }
}

/** JSON has no word for them; as bytes they are given as they are. */
function refuseNonFinite(wanted: readonly Wanted[], { outputs }: Ran, rows: number): void {
  for (const { spec, at, binary } of wanted) {
    if (binary || !isFloat(spec.datatype)) continue;
    const values = outputs[at]!.values as Float64Array;
    for (let i = 0; i < values.length; i++) {
      if (Number.isFinite(values[i])) continue;
      const row = Math.floor((i * rows) / values.length);
      throw new Refusal(
        500,
        `output "${spec.name}" of row ${row} is ${values[i]}: the model has no answer for it`,
      );
    }
  }
}

function headOf({ epoch }: Routed, id: string, { time, arrived }: Question, route: Route) {
  const loggedAt = Date.now();
  const ms = performance.now() - arrived;
  return { id, loggedAt, route, epoch, ms, time: time === undefined ? loggedAt : Date.parse(time) };
}

interface Answered {
  id: string;
  question: Question;
  rows: Rows;
  ran: Ran;
}

/**
 * The other version answers the same rows, for the record only: nobody waits for it, and its failures are its own. The
 * champion is asked beside every answer of a challenger, a challenger in shadow beside a share of the champion's.
 */
function askBeside(catalogue: Catalogue, host: Host, routed: Routed, answered: Answered): void {
  const { champion, challenger } = host.state;
  if (!champion || !challenger || champion.digest === challenger.digest) return;
  const inShadow = routed.version !== challenger;
  if (
    inShadow &&
    !(challenger.shadow > 0 && pointOf(host.name, `shadow\0${answered.id}`) < challenger.shadow)
  )
    return;
  const other = inShadow ? challenger : champion;
  const beside = async () => {
    const { id, question } = answered;
    const rows = question.read(other);
    const arrived = performance.now();
    const ran = await run(other, rows, [], arrived + besideMs);
    const log = catalogue.log(other, id);
    const head = headOf(routed, id, { ...question, arrived }, 'shadow');
    if (log) await log((to) => other.write(to, head, rows, ran), rows.count);
    if (inShadow) challenger.counters.answered(rows.count, performance.now() - arrived);
    const [mine, theirs] = inShadow ? [ran, answered.ran] : [answered.ran, ran];
    challenger.counters.compared(mine.outputs[0]!, theirs.outputs[0]!, rows.count);
  };
  other.hold();
  beside()
    .catch((error: unknown) => catalogue.besideFailed(other, error))
    .finally(() => other.letGo());
}

/** What is asked beside gives way when others wait. */
const besideMs = 1_000;
