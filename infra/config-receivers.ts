/** What the environment may say of servers that are told what happens here. Read by `config.ts`, as all of it is. */
import { z } from 'zod';

/** As MLflow's own clients read them. */
export interface MlflowSettings {
  /** Without a slash at its end. */
  uri: string;
  experiment: string;
  /** The Authorization header, when the server wants one. */
  authorization?: string;
}

/** As OpenLineage's own clients read them. */
export interface LineageSettings {
  /** Where events are posted to. */
  url: string;
  /** Of the jobs. */
  namespace: string;
  apiKey?: string;
}

export interface ReceiverSettings {
  /** Only when MLFLOW_TRACKING_URI is set: every training is then told to that server, too. */
  mlflow?: MlflowSettings;
  /** Only when OPENLINEAGE_URL is set: every stage is then told there, too. */
  lineage?: LineageSettings;
}

const address = z
  .string()
  .regex(/^https?:\/\/[^/]/)
  .optional();

export const receiverVariables = {
  MLFLOW_TRACKING_URI: {
    schema: address,
    allowed: 'the address of an MLflow server, http://… or https://…',
  },
  MLFLOW_EXPERIMENT_NAME: { schema: z.string().default('esteira'), allowed: 'a name' },
  MLFLOW_TRACKING_TOKEN: { schema: z.string().optional(), allowed: 'a token' },
  MLFLOW_TRACKING_USERNAME: { schema: z.string().optional(), allowed: 'a name' },
  MLFLOW_TRACKING_PASSWORD: { schema: z.string().optional(), allowed: 'a password' },
  OPENLINEAGE_URL: {
    schema: address,
    allowed: 'the address of a receiver of OpenLineage events, http://… or https://…',
  },
  OPENLINEAGE_ENDPOINT: { schema: z.string().default('api/v1/lineage'), allowed: 'a path at that address' },
  OPENLINEAGE_NAMESPACE: { schema: z.string().max(200).default('esteira'), allowed: 'a name' },
  OPENLINEAGE_API_KEY: { schema: z.string().optional(), allowed: 'a token' },
  OPENLINEAGE_DISABLED: {
    schema: z
      .string()
      .regex(/^(true|false)$/i)
      .default('false'),
    allowed: 'true or false',
  },
} as const;

type Variables = typeof receiverVariables;
type Values = { [N in keyof Variables]: z.infer<Variables[N]['schema']> };

export function receiverSettings(values: Values): ReceiverSettings {
  return { ...mlflowSettings(values), ...lineageSettings(values) };
}

/** A name and a password go before a token, as in MLflow's own clients. */
function mlflowSettings(values: Values): Pick<ReceiverSettings, 'mlflow'> {
  if (values.MLFLOW_TRACKING_URI === undefined) return {};
  const url = new URL(values.MLFLOW_TRACKING_URI);
  const user = values.MLFLOW_TRACKING_USERNAME ?? decodeURIComponent(url.username);
  const password = values.MLFLOW_TRACKING_PASSWORD ?? decodeURIComponent(url.password);
  const basic = user && `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const token = values.MLFLOW_TRACKING_TOKEN && `Bearer ${values.MLFLOW_TRACKING_TOKEN}`;
  const authorization = basic || token;
  const uri = `${url.origin}${url.pathname}`.replace(/\/+$/, '');
  return {
    mlflow: { uri, experiment: values.MLFLOW_EXPERIMENT_NAME, ...(authorization && { authorization }) },
  };
}

function lineageSettings(values: Values): Pick<ReceiverSettings, 'lineage'> {
  const { OPENLINEAGE_URL: at, OPENLINEAGE_ENDPOINT: path, OPENLINEAGE_API_KEY: apiKey } = values;
  if (at === undefined || values.OPENLINEAGE_DISABLED.toLowerCase() === 'true') return {};
  const url = `${at.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`;
  return { lineage: { url, namespace: values.OPENLINEAGE_NAMESPACE, ...(apiKey && { apiKey }) } };
}
