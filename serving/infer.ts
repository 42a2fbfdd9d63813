/** One inference: route, decode, run, write down, answer — in that order, so that no answer is unrecorded. */
import { randomUUID } from 'node:crypto';
import type { PredictionRow } from '../contracts/serving.ts';
import type { Logger } from '../infra/log.ts';
import type { Outputs } from './lane.ts';
import type { LoadedVersion } from './loaded-version.ts';
import type { ModelHost } from './model-host.ts';
import { chosenOutputs, decodeRows, encodeOutput, readEnvelope } from './protocol.ts';
import type { Rows } from './protocol.ts';
import { Refusal } from './refusal.ts';
import type { Replica } from './replica.ts';

type Routed = NonNullable<ReturnType<ModelHost['route']>>;

/** @param asked a version in the path, which goes before routing. @throws Refusal */
export async function infer(
  replica: Replica,
  log: Logger,
  host: ModelHost,
  asked: string | undefined,
  body: unknown,
) {
  const started = performance.now();
  const envelope = readEnvelope(body);
  const id = envelope.id ?? randomUUID();
  const routed = asked === undefined ? host.route(envelope.key ?? id) : named(host, asked);
  if (!routed) throw new Refusal(503, `model "${host.name}" has no version to serve yet`);
  const { version } = routed;
  const { signature } = version.package;
  const wanted = chosenOutputs(signature, envelope.outputs);
  const rows = decodeRows(signature, envelope.inputs);

  return version.hold(async () => {
    const outputs = await run(version, rows);
    const ms = performance.now() - started;
    await replica.predictions(version).append(logRows(routed, id, envelope.time, ms, rows, outputs));
    version.counters.answered(rows.count, performance.now() - started);
    if (routed.route === 'challenger') compare(log, host, version, envelope.inputs, outputs);
    return {
      model_name: host.name,
      model_version: String(version.version),
      id,
      parameters: { route: routed.route, epoch: routed.epoch },
      outputs: wanted.map((spec) => encodeOutput(spec, outputs[spec.name]!, rows.count)),
    };
  });
}

/** @returns the version, if it is loaded, by its number as the path has it. @throws Refusal 404 */
export function named(host: ModelHost, asked: string): Routed {
  const { champion, challenger, epoch } = host.state;
  if (challenger && String(challenger.version) === asked)
    return { version: challenger, route: 'challenger', epoch };
  if (champion && String(champion.version) === asked) return { version: champion, route: 'champion', epoch };
  const loaded = host.loaded.map(({ version }) => version).join(', ') || 'none';
  throw new Refusal(404, `version ${asked} of model "${host.name}" is not loaded; loaded: ${loaded}`);
}

async function run(version: LoadedVersion, rows: Rows): Promise<Outputs> {
  try {
    const outputs = await version.lane.infer(rows);
    for (const [name, values] of Object.entries(outputs)) {
      const at = values.findIndex((value) => !Number.isFinite(value));
      if (at === -1) continue;
      const row = Math.floor((at * rows.count) / values.length);
      throw new Refusal(
        500,
        `output "${name}" of row ${row} is ${values[at]}: the model has no answer for it`,
      );
    }
    return outputs;
  } catch (error) {
    version.counters.failed();
    throw error;
  }
}

function logRows(
  { version, route, epoch }: Routed,
  id: string,
  time: string | undefined,
  ms: number,
  rows: Rows,
  outputs: Outputs,
): PredictionRow[] {
  const loggedAt = new Date().toISOString();
  const shared = {
    time: time ?? loggedAt,
    loggedAt,
    model: version.package.model,
    version: version.version,
    digest: version.digest,
    route,
    epoch,
    ms,
  };
  return Array.from({ length: rows.count }, (_, row) => ({
    id: rows.count === 1 ? id : `${id}/${row}`,
    ...shared,
    inputs: Object.fromEntries(Object.entries(rows.columns).map(([name, values]) => [name, values[row]!])),
    outputs: Object.fromEntries(
      version.package.signature.outputs.map(({ name, shape }) => [
        name,
        valueOf(outputs[name]!, row, rows, shape),
      ]),
    ),
  }));
}

function valueOf(values: Float32Array, row: number, rows: Rows, shape: readonly number[]): number | number[] {
  const width = values.length / rows.count;
  return shape.length > 1 ? Array.from(values.subarray(row * width, (row + 1) * width)) : values[row]!;
}

/** The champion answers the same rows, for the record only: nobody waits for it, and its failures are its own. */
function compare(
  log: Logger,
  host: ModelHost,
  challenger: LoadedVersion,
  inputs: readonly unknown[],
  outputs: Outputs,
): void {
  const { champion } = host.state;
  if (!champion || champion.digest === challenger.digest) return;
  const [first] = challenger.package.signature.outputs;
  const beside = async () => {
    const rows = decodeRows(champion.package.signature, inputs);
    const [theirs] = champion.package.signature.outputs;
    const expected = (await champion.lane.infer(rows))[theirs!.name]!;
    const mine = outputs[first!.name]!;
    if (mine.length === expected.length)
      challenger.counters.compared(mine, expected, mine.length / rows.count);
  };
  champion
    .hold(beside)
    .catch((error: unknown) =>
      log.debug({ err: error }, 'the champion could not be asked beside the challenger'),
    );
}
