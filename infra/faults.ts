/**
 * Faults as `ESTEIRA_FAULT` names them: where, what, and at which passing. The list of all places is here.
 *
 * A place is where a crash or an error is interesting: before an effect, after it and before it is reported, in
 * the middle of a stream, between two compare-and-swaps. `test/infra/failpoint.test.ts` holds list and code together.
 */

/** Stage, store, serving, gateway or command, then the place. One line each, in the order in which a run passes them. */
export const failpoints = [
  // Every recorded stage.
  ...(['ingest', 'validate', 'prepare', 'train', 'evaluate', 'deploy'] as const).flatMap(
    (stage) =>
      [
        `${stage}:leased`, // nothing is done
        `${stage}:made`, // all is in the store but the record
        `${stage}:recorded`, // the record is there, Temporal does not know
      ] as const,
  ),
  'ingest:part', // one part of the data is written, more may follow
  'ingest:stored', // the dataset is stored, and has no name yet
  'validate:judged', // all rules are judged, nothing is stored
  'prepare:part', // one part of the rows is written, more may follow
  'train:environment', // packages are installed, nobody knows of the environment
  'train:claimed', // the checkpoint is ours, the trainer is not started
  'train:progress', // the trainer has reported a step
  'train:checkpoint', // the trainer has a checkpoint, the store does not
  'train:checkpointed', // the store has it, Temporal does not know
  'train:suggested', // a trial's parameters are filed, it has not begun
  'train:tried', // the trial is on record, the search does not know
  'train:trained', // the trainer is done, its model is not stored
  'evaluate:part', // one part of the holdout is scored
  'evaluate:scored', // all numbers are known, nothing is stored
  'approve:record', // the record is to be filed
  'approve:filed', // it is filed, the workflow does not know
  'deploy:packaged', // the package is stored, the model entity does not know
  'deploy:version', // the version is filed, the entity does not know
  'deploy:checked', // all is in order, no slot has moved
  'deploy:spent', // the approval is used, no slot has moved
  'deploy:slots', // the epoch is filed, current.json is the old one
  'deploy:activated', // current.json has moved, the entity does not know
  'deploy:observed', // a look at a rollout is done, its workflow does not know
  'deploy:barred', // the quarantine is filed, the entity does not know
  'deploy:released', // its end is filed, the entity does not know
  'deploy:concluded', // the rollout's evidence is filed, its workflow does not know
  'monitor:looked', // the window is judged, nothing is stored
  'monitor:filed', // the tick is filed, Temporal does not know
  'monitor:merged', // a day's files are one on this disk, the store has the many
  'monitor:compacted', // the store has both
  'monitor:notified', // the receiver knows, Temporal does not
  'alerts:told', // the book has answered, the tick does not know
  'alerts:book', // the book is written, its alerts' records are not
  'alerts:recorded', // all is written, the book does not know
  'alerts:sent', // the receiver has it, Temporal does not know
  'alerts:noted', // the records say so, the delivery does not know
  'retrain:fired', // a rule fired, the model entity does not know
  'retrain:triggered', // the entity has answered, Temporal does not know
  'retrain:filed', // the ledger has the disposition, the entity does not know
  // Batch scoring.
  'score:read', // all inputs are read and checked, the output is not claimed
  'score:claimed', // the output is ours, the workflow does not know
  'score:scored', // a part is in the work folder, not in the output
  'score:written', // the part is in the output, the batch is not done
  'score:filed', // the batch is on record, the workflow does not know
  'score:closing', // every part is there, the manifest is not
  'score:closed', // the manifest is there, the workflow does not know
  // Both stores, but where one is named.
  'store:writing', // nothing has been written yet
  'store:chunk', // a piece of a stream is in the temporary file, more may follow
  'store:staged', // the temporary file is whole, and has no name yet
  'store:looked', // s3: the blob is not there, and is not sent yet
  'store:part', // s3: a part of a multipart upload is there
  'store:completing', // s3: all parts are there, the object is not
  'store:created', // the object has its name, the caller does not know
  'store:queued', // file: the waiter's file for the lock is there, the lock is not held
  'store:locked', // file: the lock is held, its waiter's file is still there
  'store:compared', // file: the etag agrees, nothing is written
  'store:swapped', // the new bytes are in place, the caller does not know (file: and the lock is held)
  'store:deleted', // it is gone, the caller does not know (file: and the lock is held)
  'store:downloaded', // the copy is whole, and has no name yet
  // The prediction server.
  'serving:listening', // the port is open, nothing is loaded
  'serving:slots', // new slots are read, nothing is done about them
  'serving:fetched', // the model is on this disk, and not open
  'serving:loaded', // its session is open, and not proved
  'serving:proved', // all that the slots name is loaded, the old ones answer
  'serving:swapped', // the new ones answer, the old ones are in memory still
  'serving:reporting', // the note for the store is made, and not written
  'serving:reported', // it is written, the replica does not know
  'serving:thread', // rows are on the thread of a heavy model, and not answered
  'serving:opened', // the journal is there, its first line is not
  'serving:append', // rows are to be written
  'serving:appended', // rows are written, their callers have no answer
  'serving:rotated', // the journal is closed, and not handed over
  'serving:shipping', // the journal is being read
  'serving:part', // one part is Parquet on disk, not in the store
  'serving:stored', // one part is in the store, its file is still there
  'serving:shipped', // all parts are in the store, the journal is still there
  'serving:draining', // told to stop, not ready any more
  'serving:flushed', // all rows are in the store, the replica's note is there still
  // The gateway.
  'gateway:accepting', // a batch of events is to be written
  'gateway:accepted', // it is in the ledger, nobody was answered
  'gateway:claiming', // it is known which events a trigger carries, the ledger does not know
  'gateway:claimed', // the ledger knows, the model entity does not
  'gateway:triggered', // the entity has answered, the ledger does not know
  'gateway:disposed', // the ledger has the disposition, the gateway does not know
  'gateway:packed', // labels or rows are Parquet on this disk, not in the store
  'gateway:labelled', // labels are in the store, nobody was answered
  'gateway:landing', // pushed rows have their place, and are not in it
  'gateway:landed', // they are in the store, nobody was answered
  // Commands that do more than one thing.
  'cli:pinned', // the project is pinned, nobody has asked for a run
  'cli:asked', // the trigger is answered, the caller does not know
  'cli:temporal', // the Temporal server runs, nothing else does
  'cli:processes', // all processes run, the note about them is not written
  'cli:noted', // the note is written, the caller does not know
  'cli:written', // `init` has written one of its files
] as const;
export type Failpoint = (typeof failpoints)[number];

/** `kill` ends the process by SIGKILL, `throw` fails the step, `hang` never goes on, `slow` takes two seconds. */
export const faultActions = ['kill', 'throw', 'hang', 'slow'] as const;

export interface Fault {
  point: Failpoint;
  action: (typeof faultActions)[number];
  /** The passing at which it strikes, from 1. It strikes once. */
  at: number;
}

const form = /^([a-z]+:[a-z-]+):([a-z]+)(?:@([1-9][0-9]{0,8}))?$/;

/**
 * @param text `point:action@n`, several with commas or one a line; n is 1 if left out
 * @throws Error with a sentence about the first that is wrong
 */
export function parseFaults(text: string): Fault[] {
  return text
    .split(/[\n,]/)
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .map(parseFault);
}

function parseFault(text: string): Fault {
  const [, point, action, at = '1'] = form.exec(text) ?? [];
  const known = failpoints.find((one) => one === point);
  const does = faultActions.find((one) => one === action);
  if (!point || !action) throw new Error(`"${text}" is no fault; write point:action@n`);
  if (!known) throw new Error(`"${point}" is no failpoint; known: ${failpoints.join(', ')}`);
  if (!does) throw new Error(`"${action}" is no action; known: ${faultActions.join(', ')}`);
  return { point: known, action: does, at: Number(at) };
}
