/** I3: the bytes that were trained are those that were evaluated, approved, packaged, and that answered. */
import { breachesOf } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence } from './evidence.ts';
import { all, approvalsByRequest, packageOf, versionOf } from './facts.ts';

export function sameBytes(evidence: Evidence): Breach[] {
  const { breaches, breach, demand } = breachesOf('I3');
  const records = new Map(all(evidence, 'records').map(({ of, part, value }) => [`${of}/${part}`, value]));
  for (const { key, value: version } of all(evidence, 'versions')) {
    const { lifecycleId, verdict } = version;
    const made = packageOf(evidence, version);
    if (!made) {
      breach(`${key} names a package that is not in the store`, version.package);
      continue;
    }
    const of = (stage: string, ...path: string[]) => at(records.get(`${lifecycleId}/${stage}`), path);
    const subject = approvalsByRequest(evidence)
      .get(verdict.requestId)
      ?.find(({ kind }) => kind === 'verdict')?.subject;
    agree(`the model of ${key}`, made.onnx.sha256, {
      trained: of('train', 'output', 'model', 'sha256'),
      evaluated: of('evaluate', 'input', 'candidate', 'model', 'sha256'),
      approved: subject?.modelDigest,
      // A lifecycle that was cut off when its version was registered has not filed this one.
      ...(records.has(`${lifecycleId}/deploy`) && {
        deployed: of('deploy', 'input', 'candidate', 'model', 'sha256'),
      }),
    });
    agree(`the data of ${key}`, made.datasetDigest, {
      ingested: of('ingest', 'output', 'digest'),
      prepared: of('prepare', 'input', 'dataset', 'digest'),
      approved: subject?.datasetDigest,
    });
    agree(`the scorecard of ${key}`, made.scorecard.sha256, {
      evaluated: of('evaluate', 'output', 'scorecard', 'sha256'),
      approved: subject?.scorecardDigest,
    });
    demand(
      made.lifecycleId === lifecycleId,
      `the package of ${key} is of another lifecycle`,
      made.lifecycleId,
    );
  }
  for (const { model, version, digest, id } of strangers(evidence))
    breach(`version ${version} of ${model} answered ${id} from another package`, digest);
  return breaches;

  function agree(what: string, packaged: string, elsewhere: Record<string, unknown>): void {
    const others = Object.values(elsewhere);
    demand(
      others.every((one) => one === packaged),
      `${what} is not the same all along`,
      { packaged, ...elsewhere },
    );
  }
}

/** One prediction for each version that answered with a package that is not its own. */
function strangers(evidence: Evidence): Evidence['predictions'] {
  const seen = new Map<string, Evidence['predictions'][number]>();
  for (const one of evidence.predictions) seen.set(`${one.model} ${one.version} ${one.digest}`, one);
  return [...seen.values()].filter(
    ({ model, version, digest }) => versionOf(evidence, model, version)?.package.sha256 !== digest,
  );
}

function at(value: unknown, path: string[]): unknown {
  return path.reduce<unknown>((inner, name) => (inner as Record<string, unknown> | undefined)?.[name], value);
}
