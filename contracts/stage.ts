/** The stages' names. By themselves, for a workflow that shows its progress need not know what each of them takes. */

/** The belt, in order. The one place that states it. */
export const stageNames = [
  'ingest',
  'validate',
  'prepare',
  'train',
  'evaluate',
  'approve',
  'deploy',
  'monitor',
  'retrain',
] as const;
export type StageName = (typeof stageNames)[number];
