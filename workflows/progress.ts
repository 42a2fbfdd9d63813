/**
 * What a person sees of a run: the `progress` query, the details panel of the Temporal Web UI, and
 * the search attributes by which the run is found.
 */
import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import type { LifecycleOutcome, LifecycleProgress } from '../contracts/lifecycle.ts';
import type { StageName } from '../contracts/stage.ts';
import { stageNames } from '../contracts/stage.ts';

const marks = { done: '✓', now: '▸', later: '·' } as const;

/** Follows one lifecycle. `enter` begins a stage, `note` says what the stage gave in one line. */
export class Progress {
  readonly view: LifecycleProgress;
  readonly #results = new Map<StageName, string>();
  #since = Date.now();

  constructor(lifecycleId: string) {
    this.view = { lifecycleId, stage: 'ingest', waitsFor: null, done: [], outcome: null };
  }

  enter(stage: StageName): void {
    if (this.#results.size > 0 || stage !== 'ingest') this.#close();
    this.view.stage = stage;
    this.#since = Date.now();
    upsertSearchAttributes({ EsteiraStage: [stage], EsteiraState: ['running'] });
    this.#show();
  }

  note(result: string): void {
    this.#results.set(this.view.stage as StageName, result);
    this.#show();
  }

  made(version: number): void {
    upsertSearchAttributes({ EsteiraVersion: [version] });
    this.note(`version ${version}`);
  }

  wait(waitsFor: string | null): void {
    this.view.waitsFor = waitsFor;
    upsertSearchAttributes({ EsteiraState: [waitsFor === null ? 'running' : 'waiting'] });
    this.#show();
  }

  finish(outcome: LifecycleOutcome['status']): void {
    this.#close();
    this.view.stage = 'done';
    this.view.outcome = outcome;
    this.view.waitsFor = null;
    upsertSearchAttributes({ EsteiraStage: ['done'], EsteiraState: ['closed'], EsteiraOutcome: [outcome] });
    this.#show();
  }

  #close(): void {
    const { stage } = this.view;
    if (stage === 'done') return;
    const seconds = (Date.now() - this.#since) / 1_000;
    this.view.done.push({ stage, result: this.#results.get(stage) ?? '', seconds });
  }

  #show(): void {
    const { lifecycleId, stage, waitsFor, outcome, done } = this.view;
    const rows = stageNames.slice(0, 7).map((name) => {
      const ended = done.some((one) => one.stage === name);
      const mark = ended ? marks.done : name === stage ? marks.now : marks.later;
      return `- ${mark} **${name}** ${this.#results.get(name) ?? ''}`.trimEnd();
    });
    const head = outcome ? `**${outcome}**` : waitsFor ? `waits for **${waitsFor}**` : `in **${stage}**`;
    setCurrentDetails([`### ${lifecycleId}`, head, '', ...rows].join('\n'));
  }
}
