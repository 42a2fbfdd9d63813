/** Which run of which job an event is about, and the event: pure. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Window } from '../../contracts/artifact.ts';
import type { StageName } from '../../contracts/stage.ts';
import type { PinnedProject } from '../../contracts/project.ts';
import { eventSchema, facetsBy, runIdOf } from './events.ts';
import type { EventType, Facets, MakeFacet, RunEvent } from './events.ts';
import type { Flow } from './stages.ts';

export interface Run {
  /** `flights.train`, or `flights` of a whole lifecycle. */
  job: string;
  stage: StageName | 'lifecycle';
  /** What its id is made of: the same for every attempt and every worker. */
  key: string;
  parent?: Run;
}

export const modelOf = (lifecycleId: string): string => lifecycleId.split('/')[1]!;

export const lifecycleRun = (lifecycleId: string): Run => ({
  ...{ job: modelOf(lifecycleId), stage: 'lifecycle', key: lifecycleId },
});

export function stageRun(lifecycleId: string, stage: StageName): Run {
  const parent = lifecycleRun(lifecycleId);
  return { job: `${parent.job}.${stage}`, stage, key: `${lifecycleId}/${stage}`, parent };
}

/** @param stage `monitor`, or the `retrain` that follows it. @param tick its name, and more if it is made again */
export function tickRun(stage: 'monitor' | 'retrain', model: string, tick: string, parent?: Run): Run {
  return { job: `${model}.${stage}`, stage, key: `${stage}/${model}/${tick}`, ...(parent && { parent }) };
}

/** What is known of a run beside what it reads and writes. */
export interface About {
  pinned?: PinnedProject | undefined;
  /** Of event time. */
  window?: Window | undefined;
}

export interface Moment {
  type: EventType;
  at: string;
  error?: string;
  tags?: Record<string, string>;
}

export class Teller {
  readonly facet: MakeFacet;
  readonly #producer: string;
  readonly #version: string;
  readonly #namespace: string;
  readonly #storeId: string;

  constructor({ version, namespace, storeId }: { version: string; namespace: string; storeId: string }) {
    this.#producer = `pkg:npm/esteira@${version}`;
    this.#version = version;
    this.#namespace = namespace;
    this.#storeId = storeId;
    this.facet = facetsBy(this.#producer);
  }

  idOf = (run: Run): string => runIdOf(this.#storeId, run.key);

  event(run: Run, moment: Moment, flow: Flow, about: About): RunEvent {
    return {
      ...{ eventType: moment.type, eventTime: moment.at },
      run: { runId: this.idOf(run), facets: this.#ofRun(run, moment, about) },
      job: { ...this.#nameOf(run), facets: { ...this.#ofJob(run, about), ...flow.job } },
      ...{ inputs: flow.inputs, outputs: flow.outputs },
      ...{ producer: this.#producer, schemaURL: eventSchema },
    };
  }

  #nameOf = ({ job }: Run) => ({ namespace: this.#namespace, name: job });

  #ofRun({ parent }: Run, { error, tags }: Moment, { window }: About): Facets {
    const { facet } = this;
    const nominal = window && { nominalStartTime: window.from, nominalEndTime: window.until };
    const listed = Object.entries(tags ?? {}).map(([key, value]) => ({ key, value, source: 'ESTEIRA' }));
    return {
      ...facet('processing_engine', { name: 'esteira', version: this.#version }),
      ...(parent && facet('parent', { ...this.#reference(parent), root: this.#reference(rootOf(parent)) })),
      ...(nominal && facet('nominalTime', nominal)),
      ...(listed.length > 0 && facet('tags', { tags: listed })),
      ...(error !== undefined &&
        facet('errorMessage', { message: error, programmingLanguage: 'TYPESCRIPT' })),
    };
  }

  #reference = (run: Run) => ({ run: { runId: this.idOf(run) }, job: this.#nameOf(run) });

  #ofJob({ stage }: Run, { pinned }: About): Facets {
    const { facet } = this;
    const jobType = stage === 'lifecycle' ? 'JOB' : 'TASK';
    const own = pinned?.project.description;
    const description = stage === 'lifecycle' && own ? own : descriptions[stage];
    return {
      ...facet('jobType', { processingType: 'BATCH', integration: 'ESTEIRA', jobType }),
      ...facet('documentation', { description, contentType: 'text/plain' }),
      ...(pinned && facet('ownership', { owners: [{ name: pinned.project.owner }] })),
      ...(pinned?.gitCommit && facet('sourceCodeLocation', codeOf(pinned, pinned.gitCommit))),
    };
  }
}

function rootOf(run: Run): Run {
  return run.parent ? rootOf(run.parent) : run;
}

const codeOf = ({ root }: PinnedProject, version: string) => ({
  ...{ type: 'git', url: pathToFileURL(join(root, 'esteira.yaml')).href, path: 'esteira.yaml', version },
});

const descriptions: Record<Run['stage'], string> = {
  lifecycle: 'One trip of a model along the belt, from its data to a version that serves.',
  ingest: 'Reads the sources for one window and files the rows as an immutable dataset version.',
  validate: 'Holds a dataset version against the checks of the project, and profiles it.',
  prepare: 'Splits a dataset version, and fits the transform on its training rows alone.',
  train: 'Trains a candidate on prepared rows.',
  evaluate:
    'Scores the candidate and the champion on rows that neither has seen, and holds it against the gates.',
  approve: 'Asks the people whom the policy names whether the candidate may go live.',
  deploy: 'Packages an approved candidate, and registers it as a version.',
  monitor: 'Looks at one window of predictions: drift, quality, service.',
  retrain: 'Holds the rules for retraining against what monitoring saw.',
};
