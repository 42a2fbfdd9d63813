/**
 * Faults as `ESTEIRA_FAULT` names them: where, what, and at which passing. The list of all places is here.
 *
 * A place is where a crash or an error is interesting: before an effect, after it and before it is reported, in
 * the middle of a stream, between two compare-and-swaps. `test/infra/failpoint.test.ts` holds list and code together.
 */

/** Stage, store, serving or command, then the place. One line each, in the order in which a run passes them. */
export const failpoints = ['store:staged'] as const;
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
