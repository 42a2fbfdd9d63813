/** The `trainer:` and `search:` sections of `esteira.yaml`: how a model is made, on what, and with which parameters. */
import { z } from 'zod';
import { Duration } from './artifact.ts';

/** What every backend may ask for. */
const common = {
  seed: z.int().nonnegative().default(0),
  /** gpu: runs on the workers of the gpu queue. */
  device: z.enum(['cpu', 'gpu']).default('cpu'),
  /** Devices of one worker that this training has for itself. */
  gpus: z.int().positive().max(64).default(1),
  /** cpu: when no gpu worker has taken it for `patience`, a cpu worker trains. none: it waits. */
  fallback: z.enum(['none', 'cpu']).default('none'),
  /** How long a gpu queue without workers is waited for before `fallback`. */
  fallbackAfter: Duration.default('1m'),
  /** Among those that wait for one queue, 1 goes first and 5 last; models of one priority take turns. */
  priority: z.int().min(1).max(5).default(3),
  /** Without a word of progress for this long, the trainer is killed, and resumed from its checkpoint. */
  stall: Duration.default('30m'),
  /** What a training may take; then it stops with the best model it has. `cost` is in the currency of ESTEIRA_COST_PER_HOUR. */
  budget: z.strictObject({ time: Duration.optional(), cost: z.number().positive().optional() }).default({}),
};

/** The embedded trainer: its training step is an ONNX graph. `hidden: []` is a linear model. */
export const OnnxTrainer = z.strictObject({
  backend: z.literal('onnx'),
  /** Widths of the hidden layers; none makes it linear, logistic or softmax regression. */
  hidden: z.array(z.int().positive().max(4_096)).max(8).default([]),
  epochs: z.int().positive().max(10_000).default(10),
  batchSize: z.int().positive().max(65_536).default(1_024),
  learningRate: z.number().positive().default(0.001),
  l2: z.number().nonnegative().default(0),
  /** balanced: each class weighs the same in sum. */
  classWeight: z.enum(['none', 'balanced']).default('none'),
  /** Epochs without a better validation loss before it stops; the best epoch is kept. */
  patience: z.int().positive().default(3),
  checkpointEvery: Duration.default('15s'),
  ...common,
});
export type OnnxTrainer = z.infer<typeof OnnxTrainer>;

/** A path inside the project's folder. */
const ProjectPath = z
  .string()
  .min(1)
  .max(200)
  .regex(/^(?!\/)(?!.*(^|\/)\.\.(\/|$))[^\\]+$/, "must be a path inside the project's folder");

const Parameters = z.record(z.string().max(100), z.unknown()).default({});

/** Trainers that ship with Esteira; docs/trainers.md has the parameters of each. */
export const readyTrainers = [
  'scikit-learn',
  'lightgbm',
  'xgboost',
  'pytorch',
  'pytorch-sequence',
  'keras',
] as const;
export type ReadyTrainer = (typeof readyTrainers)[number];

/** A Python script in an environment that is built from its lock, once. */
export const PythonTrainer = z
  .strictObject({
    backend: z.literal('python'),
    /** One that ships; or `script`. */
    use: z.enum(readyTrainers).optional(),
    script: ProjectPath.optional(),
    /** Packages with their exact versions, `name==1.2.3` a line; a ready-made trainer brings its own. */
    requirements: ProjectPath.optional(),
    /** The interpreter that the environment is made with. */
    python: z.string().min(1).default('python3'),
    /** Lets the environment see the packages of the machine, such as a driver's own build of PyTorch. */
    systemPackages: z.boolean().default(false),
    /** Other files of the project that the script needs; `*` and `**` are taken. */
    files: z.array(ProjectPath).max(100).default([]),
    parameters: Parameters,
    ...common,
  })
  .refine((trainer) => (trainer.use === undefined) !== (trainer.script === undefined), {
    path: ['script'],
    error: 'give `use` (a trainer that ships) or `script` (your own), and not both',
  })
  .refine((trainer) => trainer.script === undefined || trainer.requirements !== undefined, {
    path: ['requirements'],
    error: 'name the file with the packages that the script needs, each with its version',
  });
export type PythonTrainer = z.infer<typeof PythonTrainer>;

/** Any program that speaks the protocol of contracts/trainer.ts. */
export const CommandTrainer = z.strictObject({
  backend: z.literal('command'),
  command: z.array(z.string().min(1)).min(1),
  /** Files of the project that the program needs: it then runs in a folder that has these alone, on any worker. */
  files: z.array(ProjectPath).max(100).default([]),
  parameters: Parameters,
  ...common,
});
export type CommandTrainer = z.infer<typeof CommandTrainer>;

export const Trainer = z.discriminatedUnion('backend', [OnnxTrainer, PythonTrainer, CommandTrainer]);
export type Trainer = z.infer<typeof Trainer>;

/** What one parameter may be: one of `values`, or a number between `min` and `max`, both included. */
export const Dimension = z.union([
  z.strictObject({ values: z.array(z.unknown()).min(1).max(1_000) }),
  z
    .strictObject({
      min: z.number(),
      max: z.number(),
      /** log: each factor is as likely as each other; for learning rates and penalties. */
      scale: z.enum(['linear', 'log']).default('linear'),
      /** Only min, min + step, …; 1 makes whole numbers. */
      step: z.number().positive().optional(),
    })
    .refine(({ min, max }) => min < max, 'min must be less than max')
    .refine(({ min, scale }) => scale === 'linear' || min > 0, 'a log scale needs a min above 0'),
]);
export type Dimension = z.infer<typeof Dimension>;

export const Search = z.strictObject({
  /** grid: every combination. random: draws. tpe: draws near what was good (Bergstra et al. 2011). */
  method: z.enum(['grid', 'random', 'tpe']).default('tpe'),
  /** Trainings at most. */
  trials: z.int().positive().max(10_000).default(20),
  /** Trainings at once, over all workers. */
  parallel: z.int().positive().max(200).default(2),
  /** One that the trainer reports. */
  metric: z.string().min(1).max(100).default('validation_loss'),
  goal: z.enum(['minimize', 'maximize']).default('minimize'),
  seed: z.int().nonnegative().default(0),
  /** Successive halving (ASHA): a trial that is not among the best 1/reduction at a rung is stopped there. */
  halving: z
    .strictObject({
      reduction: z.number().min(2).max(10).default(3),
      /** The first rung, as a share of all steps of a training; the next ones are `reduction` times as far. */
      first: z.number().gt(0).lt(1).default(0.1),
    })
    .optional(),
  /** Trainer parameters by name, each with what it may be. */
  space: z.record(z.string().max(100), Dimension).refine((space) => Object.keys(space).length > 0, {
    error: 'must name a parameter',
  }),
});
export type Search = z.infer<typeof Search>;

/** The values that a grid has along one parameter. @returns undefined for numbers that were given no step */
export function gridValues(dimension: Dimension): unknown[] | undefined {
  if ('values' in dimension) return dimension.values;
  const { min, max, step } = dimension;
  if (step === undefined) return undefined;
  const count = Math.floor((max - min) / step + 1e-9) + 1;
  return Array.from({ length: count }, (_, i) => Number((min + i * step).toPrecision(12)));
}

/** How many trainings a search asks for: a grid has no more than its points. */
export function trialsOf({ method, space, trials }: Search): number {
  if (method !== 'grid') return trials;
  return Object.values(space).reduce((count, one) => count * (gridValues(one)?.length ?? 1), 1);
}
