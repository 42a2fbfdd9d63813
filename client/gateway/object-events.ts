/**
 * Notifications of object stores: S3's and MinIO's `Records`, and what S3 tells EventBridge.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 * @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
 */
import { z } from 'zod';
import type { GatewayEvent } from '../../contracts/inbox.ts';
import { sha256 } from '../../infra/digest.ts';
import { Refusal } from '../../infra/refusal.ts';

const text = z.string();
const Records = z.object({
  Records: z
    .array(
      z.object({
        eventSource: text.default('aws:s3'),
        eventName: text,
        eventTime: text.optional(),
        s3: z.object({
          bucket: z.object({ name: text }),
          object: z.object({
            key: text,
            size: z.number().optional(),
            eTag: text.optional(),
            versionId: text.optional(),
            sequencer: text.optional(),
          }),
        }),
      }),
    )
    .min(1)
    .max(1_000),
});

const Bridged = z.object({
  id: text,
  source: z.literal('aws.s3'),
  'detail-type': text,
  time: text.optional(),
  detail: z.object({
    bucket: z.object({ name: text }),
    object: z.object({ key: text, size: z.number().optional(), etag: text.optional() }),
  }),
});

/** @returns undefined for what is neither. @throws Refusal 400 for what is one, and broken */
export function objectEvents(value: unknown): GatewayEvent[] | undefined {
  const { data: bridged } = Bridged.safeParse(value);
  if (bridged) {
    const { bucket, object } = bridged.detail;
    return [
      {
        ...{ id: bridged.id, source: 'aws:s3', type: bridgedType(bridged['detail-type']) },
        ...{ subject: `${bucket.name}/${object.key}`, data: object, ...timeOf(bridged.time) },
      },
    ];
  }
  if (typeof value !== 'object' || value === null || !('Records' in value)) return undefined;
  const { success, data, error } = Records.safeParse(value);
  if (success) return data.Records.map(recordEvent);
  const [issue] = error.issues;
  throw new Refusal(
    400,
    `this is no notification of an object store: ${issue!.path.join('.')}: ${issue!.message}`,
  );
}

function recordEvent(record: z.infer<typeof Records>['Records'][number]): GatewayEvent {
  const { eventSource, eventName, eventTime, s3 } = record;
  const { bucket, object } = s3;
  return {
    id: sha256(JSON.stringify([eventName, eventTime, bucket.name, object])),
    source: eventSource,
    type: eventName.startsWith('s3:') ? eventName : `s3:${eventName}`,
    subject: `${bucket.name}/${keyOf(object.key)}`,
    ...timeOf(eventTime),
    data: object,
  };
}

/** Keys come as forms are encoded: a space is a plus. */
function keyOf(encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '));
  } catch (error) {
    if (error instanceof URIError) return encoded;
    throw error;
  }
}

/** `Object Created` is `s3:ObjectCreated`, as in notifications, where it says more. */
const bridgedType = (detail: string): string => `s3:${detail.replaceAll(' ', '')}`;

function timeOf(time: string | undefined): { time?: string } {
  const ms = Date.parse(time ?? '');
  return Number.isNaN(ms) ? {} : { time: new Date(ms).toISOString() };
}
