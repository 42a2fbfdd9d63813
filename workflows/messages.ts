/** Messages between our own workflows and to them, by the names that contracts give. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { AlertUpdates, Book } from '../contracts/alerts.ts';
import type { ApprovalState, Decision, DecisionReceipt } from '../contracts/approval.ts';
import type { ModelDescription, ModelUpdates, Settled } from '../contracts/model.ts';
import type { RolloutUpdates, RolloutView } from '../contracts/rollout.ts';

const update = <K extends keyof ModelUpdates>(name: K) =>
  defineUpdate<ModelUpdates[K][1], [ModelUpdates[K][0]]>(name);

export const triggerUpdate = update('trigger');
export const registerUpdate = update('register');
export const requestPromotionUpdate = update('requestPromotion');
export const activateUpdate = update('activate');
export const rollbackUpdate = update('rollback');
export const quarantineUpdate = update('quarantine');
export const releaseUpdate = update('release');
export const describeQuery = defineQuery<ModelDescription>('describe');
export const settledUpdate = update('settled');
/** As lifecycles of 0.1.0 tell it. An entity takes updates only: mixed with signals, replays may differ. */
export const settledSignal = defineSignal<[Settled]>('settled');

export const decideUpdate = defineUpdate<DecisionReceipt, [Decision]>('decide');
/** The same, so that a person can answer from the Temporal Web UI. */
export const decideSignal = defineSignal<[Decision]>('decide');
export const approvalQuery = defineQuery<ApprovalState>('approval');

/** Tells a rollout that its ticket is void, so that it need not bake to the end to find out. */
export const supersededSignal = defineSignal<[string]>('superseded');

const said = <K extends keyof RolloutUpdates>(name: K) =>
  defineUpdate<RolloutUpdates[K][1], [RolloutUpdates[K][0]]>(name);

export const pauseUpdate = said('pause');
export const resumeUpdate = said('resume');
export const promoteUpdate = said('promote');
export const abortUpdate = said('abort');
export const rolloutQuery = defineQuery<RolloutView>('rollout');

const noted = <K extends keyof AlertUpdates>(name: K) =>
  defineUpdate<AlertUpdates[K][1], [AlertUpdates[K][0]]>(name);

export const observeUpdate = noted('observe');
export const acknowledgeUpdate = noted('acknowledge');
export const snoozeUpdate = noted('snooze');
export const closeUpdate = noted('close');
export const alertsQuery = defineQuery<Book>('list');
