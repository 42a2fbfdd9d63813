/** What the gateway takes and answers, as OpenAPI 3.1: made of the schemas that check it. */
import { z } from 'zod';
import { EventDisposition, GatewayEvent } from '../../contracts/inbox.ts';
import { Disposition } from '../../contracts/model.ts';
import { Label } from '../../contracts/serving.ts';
import { version } from '../../infra/version.ts';
import { DecisionBody, TriggerBody } from './routes-people.ts';
import type { Scope } from './settings.ts';

type Content = Record<string, { schema: object }>;
interface Parameter {
  name: string;
  in: string;
  required: boolean;
  description?: string;
  schema: object;
}

export interface Operation {
  summary: string;
  description?: string;
  parameters?: Parameter[];
  requestBody?: { required: true; content: Content };
  responses: Record<string, { description: string; content?: Content }>;
  security: object[];
}
export interface OpenApi {
  openapi: string;
  info: { title: string; version: string; description: string };
  paths: Record<string, Record<string, Operation>>;
  components: object;
}

export function openApi(): OpenApi {
  return {
    openapi: '3.1.0',
    info: {
      ...{ title: 'Esteira gateway', version },
      description:
        'Events, labels, rows, triggers and approvals by HTTP. 202 means: durably taken. A refusal is {"error": "one sentence"}.',
    },
    paths: { ...eventPaths, ...dataPaths, ...peoplePaths, ...operatorPaths },
    components: {
      schemas: { Error: schema(z.object({ error: z.string() })) },
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'a token of `esteira token`, or a JWT of the issuer in the settings',
        },
        caller: {
          type: 'apiKey',
          in: 'query',
          name: 'caller',
          description: 'who signs the body, by webhook-signature, X-Hub-Signature-256 or X-Gitlab-Token',
        },
        certificate: { type: 'mutualTLS' },
      },
    },
  };
}

const schema = (of: z.ZodType): object => {
  const { $schema: _, ...rest } = z.toJSONSchema(of, { io: 'input', unrepresentable: 'any' });
  return rest;
};
const json = (of: z.ZodType): Content => ({ 'application/json': { schema: schema(of) } });

const refusal = (description: string): { description: string; content: Content } => ({
  description,
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
});

const refusals = {
  '400': refusal('what is sent is not what it should be; the sentence names the line, the field, the value'),
  '401': refusal('nothing proves who asks'),
  '403': refusal('this caller may not'),
  '413': refusal('too large'),
  '415': refusal('not of a type that is taken'),
  '429': refusal('too much at once; Retry-After says when'),
  '503': refusal('the store, or Temporal, is away; Retry-After says when'),
};

/** @param scope that the caller needs; without one, anybody may ask */
function operation(scope: Scope | undefined, { responses, ...said }: Omit<Operation, 'security'>): Operation {
  const needs = scope === undefined ? '' : ` Needs \`${scope}\` in the caller's \`may\`.`;
  return {
    ...said,
    description: `${said.description ?? ''}${needs}`.trim(),
    security: scope === undefined ? [] : [{ bearer: [] }, { caller: [] }, { certificate: [] }],
    responses: { ...responses, ...(scope !== undefined && refusals) },
  };
}

const inQuery = (name: string, description: string, required = true): Parameter => ({
  ...{ name, in: 'query', required, description, schema: { type: 'string' } },
});
const inPath = (name: string): Parameter => ({
  name,
  in: 'path',
  required: true,
  schema: { type: 'string' },
});
const idempotency = {
  ...{ name: 'Idempotency-Key', in: 'header', required: false, schema: { type: 'string' } },
  description: 'the same again counts once',
};

const Told = z.object({
  id: z.string(),
  source: z.string(),
  status: z.enum(['accepted', 'duplicate', 'refused']),
  disposition: EventDisposition.nullable().optional(),
  error: z.string().optional(),
});
const CloudEvent = GatewayEvent.omit({ extensions: true }).extend({ specversion: z.literal('1.0') });
const told = { description: 'durably in the ledger', content: json(Told) };

const eventPaths: OpenApi['paths'] = {
  '/events': {
    post: operation('events', {
      summary: 'Tell of an event',
      description:
        'A CloudEvent 1.0 in binary, structured or batched mode; or, as application/json, the webhook of GitHub, GitLab, Gitea, Forgejo or Jenkins, a notification of S3 or MinIO, or a Standard Webhook.',
      requestBody: {
        required: true,
        content: {
          'application/cloudevents+json': { schema: schema(CloudEvent) },
          'application/cloudevents-batch+json': { schema: schema(z.array(CloudEvent).min(1).max(1_000)) },
          'application/json': { schema: {} },
        },
      },
      responses: {
        '202': told,
        '200': { ...told, description: 'it had come before; the first disposition' },
        '409': refusal('its id was given to another event'),
      },
    }),
    get: operation('read', {
      summary: 'What became of an event',
      parameters: [
        inQuery('source', 'as the event has it'),
        inQuery('id', 'as the event has it'),
        inQuery('sender', 'the caller who sent it; whoever asks, if absent', false),
      ],
      responses: { '200': told, '404': refusal('no such event was accepted') },
    }),
  },
};

const rows = (of: z.ZodType): NonNullable<Operation['requestBody']> => ({
  required: true,
  content: {
    'application/json': { schema: schema(z.array(of)) },
    'application/x-ndjson': { schema: schema(of) },
    'text/csv': { schema: { type: 'string' } },
  },
});

const dataPaths: OpenApi['paths'] = {
  '/labels': {
    post: operation('labels', {
      summary: 'Tell what really happened',
      parameters: [inQuery('model', 'whose predictions they are of')],
      requestBody: rows(Label),
      responses: { '202': { description: 'durably stored' }, '404': refusal('no such model serves') },
    }),
  },
  '/data/{source}': {
    post: operation('data', {
      summary: 'Push rows',
      description:
        'They become Parquet in the store, for a project to read by `path: landing:<source>`. All or none are taken. The first push sets the columns, unless the settings declare them.',
      parameters: [inPath('source'), idempotency],
      requestBody: rows(z.record(z.string(), z.unknown())),
      responses: {
        '202': { description: 'durably stored' },
        '200': { description: 'pushed before, under the same Idempotency-Key' },
        '409': refusal('the Idempotency-Key was used for another body'),
      },
    }),
  },
};

const decide = (verb: string): OpenApi['paths'][string] => ({
  post: operation('approve', {
    summary: `${verb} a request, under the caller's name`,
    parameters: [inPath('model'), inPath('n')],
    requestBody: { required: true, content: json(DecisionBody) },
    responses: {
      '200': { description: 'recorded' },
      '409': refusal('it is decided already, by all or by this caller'),
    },
  }),
});

const peoplePaths: OpenApi['paths'] = {
  '/models/{model}': {
    get: operation('read', {
      summary: 'Where a model is, and what it waits for',
      parameters: [inPath('model')],
      responses: {
        '200': { description: 'its slots, versions and run' },
        '404': refusal('it was never run'),
      },
    }),
  },
  '/models/{model}/trigger': {
    post: operation('trigger', {
      summary: 'Ask for a lifecycle of the project as it was last run',
      parameters: [inPath('model'), idempotency],
      requestBody: { required: true, content: json(TriggerBody) },
      responses: {
        '202': {
          description: 'answered',
          content: json(z.object({ trigger: z.string(), disposition: Disposition })),
        },
        '404': refusal('it was never run'),
      },
    }),
  },
  '/approvals': {
    get: operation('read', {
      summary: 'What waits for somebody',
      responses: { '200': { description: 'requests' } },
    }),
  },
  '/approvals/{model}/{n}': {
    get: operation('read', {
      summary: 'One request, and who has decided',
      parameters: [inPath('model'), inPath('n')],
      responses: { '200': { description: 'the request' }, '404': refusal('nobody ever asked that') },
    }),
  },
  '/approvals/{model}/{n}/approve': decide('Approve'),
  '/approvals/{model}/{n}/reject': decide('Reject'),
  '/listeners': {
    get: operation('read', {
      summary: 'Which models listen to what',
      responses: { '200': { description: 'event rules by model' } },
    }),
  },
};

const operatorPaths: OpenApi['paths'] = {
  '/health/live': {
    get: operation(undefined, {
      summary: 'The process answers',
      responses: { '200': { description: 'yes' } },
    }),
  },
  '/health/ready': {
    get: operation(undefined, {
      summary: 'The store takes events',
      responses: { '200': { description: 'yes' }, '503': { description: 'the store is away' } },
    }),
  },
  '/metrics': {
    get: operation('admin', { summary: 'For Prometheus', responses: { '200': { description: 'metrics' } } }),
  },
};
