/** What an S3 server's refusals mean. */
import { S3ServiceException } from '@aws-sdk/client-s3';

export function hasStatus(error: unknown, ...statuses: number[]): boolean {
  return error instanceof S3ServiceException && statuses.includes(error.$metadata.httpStatusCode ?? 0);
}

/** A 404 that is about the bucket is a wrong configuration, not a missing object. */
export function isNoBucket(error: unknown): boolean {
  return error instanceof S3ServiceException && error.name === 'NoSuchBucket';
}

/** Completed by an attempt whose answer was lost, or aborted by somebody: only the object can tell. */
export function isNoUpload(error: unknown): boolean {
  return error instanceof S3ServiceException && error.name === 'NoSuchUpload';
}

export function unlessStatus(...statuses: number[]): (error: unknown) => undefined {
  return (error) => {
    if (hasStatus(error, ...statuses) && !isNoBucket(error)) return undefined;
    throw error;
  };
}
