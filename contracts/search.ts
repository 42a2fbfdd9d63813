/** Names that the outside sees: task queues, workflow ids, search attributes. */

/**
 * Workflows, and work that keeps a processor busy, run on `cpu`; training on devices runs on `gpu`. What a workflow only has to
 * write down is on `records`, and what waits for somebody, another workflow among them, on `waits`: so a rollback stands behind
 * no training, and nobody takes up the place that the one he waits for needs.
 */
export const taskQueues = {
  cpu: 'esteira-cpu',
  gpu: 'esteira-gpu',
  records: 'esteira-records',
  waits: 'esteira-waits',
} as const;

export const modelWorkflowId = (model: string): string => `model/${model}`;
export const approvalWorkflowId = (requestId: string): string => `approval/${requestId}`;
export const rolloutWorkflowId = (model: string, version: number): string => `rollout/${model}/${version}`;
/** `lifecycle/flights/3` → `search/flights/3`: its trials. */
export const searchWorkflowId = (lifecycleId: string): string => `search/${requestIdOf(lifecycleId)}`;
export const alertsWorkflowId = (model: string): string => `alerts/${model}`;
export const monitorScheduleId = (model: string): string => `monitor/${model}`;

/** `lifecycle/flights/3` → `flights/3`: an approval is named after the lifecycle that asks. */
export const requestIdOf = (lifecycleId: string): string => lifecycleId.slice('lifecycle/'.length);

/** Plain text and eventually consistent: for finding, never for deciding; no personal data. */
export const searchAttributes = {
  EsteiraModel: 'KEYWORD',
  EsteiraStage: 'KEYWORD',
  EsteiraState: 'KEYWORD',
  EsteiraOutcome: 'KEYWORD',
  EsteiraTrigger: 'KEYWORD',
  EsteiraVersion: 'INT',
} as const;
