/** Errors a person may cause, as one sentence; the world's own, with their code put into words. */
import { WorkflowNotFoundError } from '@temporalio/common';

/** The named model, lifecycle, request or version is not there. Its message says what to do. */
export class NotFound extends Error {
  override name = 'NotFound';
}

/** For `.catch`: a workflow that is not there becomes this sentence, every other error goes on. */
export function unlessNotFound(sentence: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof WorkflowNotFoundError) throw new NotFound(sentence, { cause: error });
    throw error;
  };
}
