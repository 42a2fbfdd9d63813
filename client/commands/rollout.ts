/** Commands about a rollout under way, and about a version that one has barred. */
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import type { RolloutUpdates } from '../../contracts/rollout.ts';
import { exitCodes, say } from '../output.ts';
import { person, reason, withEsteira } from './session.ts';

interface Options {
  as: string;
  reason: string;
  quarantine?: boolean;
  json?: boolean;
}

const verbs: Record<keyof RolloutUpdates, string> = {
  pause: 'stop the bake time; the guards go on looking',
  resume: 'let the bake time run again',
  promote: 'skip the rest of the bakes: champion as soon as every replica is ready',
  abort: 'give its traffic back to the champion',
};

export function addRolloutCommands(program: Command): void {
  const rollout = program
    .command('rollout')
    .description('a new version on its way to all of the traffic: where it is, and what people say to it');
  rollout
    .command('status <model>')
    .description('steps, what the guards saw last, and who said what; the last one, if none is under way')
    .option('--json', 'for machines')
    .action((model: string, { json = false }: { json?: boolean }) =>
      withEsteira(async (esteira) => {
        const { rolloutStatus } = await import('../rollout.ts');
        const { statusText } = await import('../rollout-text.ts');
        const status = await rolloutStatus(esteira, model);
        say(json, status, statusText(status));
      }),
    );
  for (const verb of ['pause', 'resume', 'promote', 'abort'] as const) addVerb(rollout, verb);
  addRelease(program);
}

function addVerb(rollout: Command, verb: keyof RolloutUpdates): void {
  const command = rollout
    .command(`${verb} <model>`)
    .description(verbs[verb])
    .requiredOption('--reason <text>', 'why; it is kept for ever', reason)
    .option('--as <person>', 'who asks', person())
    .option('--json', 'for machines');
  if (verb === 'abort') command.option('--quarantine', 'bar the version from serving as well');
  command.action((model: string, { as, json = false, ...options }: Options) =>
    withEsteira(async (esteira) => {
      const { sayToRollout } = await import('../rollout.ts');
      const said = { by: as, reason: options.reason, quarantine: options.quarantine ?? false };
      const answer = await sayToRollout(esteira, model, verb, said);
      const text = answer.accepted
        ? `${verb}, heard: ${answer.doing}`
        : `refused (${answer.code}): ${answer.detail}`;
      say(json, answer, text);
      if (!answer.accepted) process.exitCode = exitCodes.no;
    }),
  );
}

function addRelease(program: Command): void {
  program
    .command('release')
    .argument('<version>', 'such as flights/3', versionName)
    .description('lift the quarantine of a version; both are kept on record')
    .requiredOption('--reason <text>', 'why; it is kept for ever', reason)
    .option('--as <person>', 'who asks', person())
    .option('--json', 'for machines')
    .action(({ model, version }: VersionName, { as, json = false, reason: why }: Options) =>
      withEsteira(async (esteira) => {
        const { release } = await import('../rollout.ts');
        const answer = await release(esteira, model, { version, by: as, reason: why });
        const text = answer.accepted
          ? `version ${version} of ${model} is barred no more`
          : `refused (${answer.code}): ${answer.detail}`;
        say(json, answer, text);
        if (!answer.accepted) process.exitCode = exitCodes.no;
      }),
    );
}

interface VersionName {
  model: string;
  version: number;
}

/** @throws InvalidArgumentError */
function versionName(text: string): VersionName {
  const [, model, version] = /^([a-z][a-z0-9-]{0,62})\/([1-9][0-9]{0,8})$/.exec(text) ?? [];
  if (model !== undefined) return { model, version: Number(version) };
  throw new InvalidArgumentError('Give model and number, such as flights/3.');
}
