/** Commands for whoever is to act on what monitoring has found. */
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { Duration, durationMs } from '../../contracts/artifact.ts';
import { exitCodes, say } from '../output.ts';
import { instant, person, reason, withEsteira } from './session.ts';

interface Options {
  as: string;
  reason: string;
  for?: number;
  until?: string;
  json?: boolean;
}

export function addAlertCommands(program: Command): void {
  const alerts = program
    .command('alerts')
    .argument('[model]', 'of all models, if absent')
    .description('what monitoring has found and is not over: since when, how bad, who knows of it')
    .option('--all', 'also those that are closed')
    .option('--json', 'for machines')
    .action((model: string | undefined, { all = false, json = false }: { all?: boolean; json?: boolean }) =>
      withEsteira(async (esteira) => {
        const { alertList, withLastTries } = await import('../alerts.ts');
        const { listText } = await import('../alert-text.ts');
        const list = await withLastTries(esteira, await alertList(esteira.store, model, all));
        say(json, list, listText(list, model, all));
      }),
    );
  alerts
    .command('show <model>')
    .argument('<alert>', 'its number, or what it is about: drift/price', alertName)
    .description('one alert: its story, and who was told')
    .option('--json', 'for machines')
    .action((model: string, name: number | string, _: object, command: Command) =>
      withEsteira(async ({ store }) => {
        const { alertNamed } = await import('../alerts.ts');
        const { alertText } = await import('../alert-text.ts');
        const record = await alertNamed(store, model, name);
        say(command.optsWithGlobals<Options>().json ?? false, record, alertText(record));
      }),
    );
  addVerb(alerts, 'ack', 'acknowledge', 'somebody looks at it: nobody is reminded');
  addVerb(alerts, 'snooze', 'snooze', 'be quiet about it for a while')
    .option('--for <duration>', 'such as 6h or 2d', duration)
    .option('--until <moment>', 'ISO 8601', instant);
  addVerb(alerts, 'close', 'close', 'it is no trouble: not opened again before a tick has not found it');
}

function addVerb(
  alerts: Command,
  name: string,
  verb: 'acknowledge' | 'snooze' | 'close',
  what: string,
): Command {
  return alerts
    .command(`${name} <model>`)
    .argument('<alert>', 'its number, or what it is about: drift/price', alertName)
    .description(what)
    .requiredOption('--reason <text>', 'why; it is kept for ever', reason)
    .option('--as <person>', 'who says so', person())
    .option('--json', 'for machines')
    .action((model: string, alert: number | string, _: object, command: Command) => {
      const { as, reason: why, for: forMs, until: moment, json } = command.optsWithGlobals<Options>();
      if (verb === 'snooze' && (forMs === undefined) === (moment === undefined))
        command.error('error: give --for, such as 2d, or --until, such as 2001-02-01T06:00:00Z');
      const until = moment ?? (forMs === undefined ? undefined : new Date(Date.now() + forMs).toISOString());
      return withEsteira(async (esteira) => {
        const { changeAlert } = await import('../alerts.ts');
        const { stateText } = await import('../alert-text.ts');
        const order = { model, alert, by: as, reason: why, ...(until !== undefined && { until }) };
        const answer = await changeAlert(esteira, verb, order);
        const text = answer.accepted
          ? `${model} alert ${answer.alert.id} (${answer.alert.key}) is ${stateText(answer.alert)}`
          : `refused (${answer.code}): ${answer.detail}`;
        say(json ?? false, answer, text);
        if (!answer.accepted) process.exitCode = exitCodes.no;
      });
    });
}

function alertName(text: string): number | string {
  return /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : text;
}

/** @throws InvalidArgumentError */
function duration(text: string): number {
  if (Duration.safeParse(text).success) return durationMs(text);
  throw new InvalidArgumentError('Give a whole number and a unit: 45s, 10m, 6h, 7d or 2w.');
}
