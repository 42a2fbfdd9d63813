/**
 * `esteira`: one program, a command a verb. Errors are one sentence; exit codes are for scripts.
 *
 * Commands load what they need when they run: `--help` must not wait for Temporal's client.
 */
import { Command, CommanderError } from 'commander';
import { addAlertCommands } from './commands/alerts.ts';
import { addApproveCommands } from './commands/approve.ts';
import { addDriftCommands } from './commands/drift.ts';
import { addExportCommand } from './commands/export.ts';
import { addGatewayCommand } from './commands/gateway.ts';
import { addImportCommand } from './commands/import.ts';
import { addKubernetesCommand } from './commands/kubernetes.ts';
import { addMetricsCommand } from './commands/metrics.ts';
import { addMonitorCommands } from './commands/monitor.ts';
import { addModelCommands } from './commands/model.ts';
import { addProjectCommands } from './commands/project.ts';
import { addReplayCommand } from './commands/replay.ts';
import { addRolloutCommands } from './commands/rollout.ts';
import { addRunCommands } from './commands/run.ts';
import { addExperimentCommands } from './commands/runs.ts';
import { addServeCommand } from './commands/serve.ts';
import { addScoreCommand } from './commands/score.ts';
import { addStackCommands } from './commands/stack.ts';
import { addTargetCommand } from './commands/target.ts';
import { addTokenCommand } from './commands/token.ts';
import { addTrainingCommands } from './commands/training.ts';
import { exitCodes } from './output.ts';
import { version } from '../infra/version.ts';

const program = new Command('esteira')
  .description('Durable machine-learning lifecycles: from raw data to a live model and back again.')
  .version(version)
  .exitOverride()
  .showHelpAfterError('(--help shows what is possible)')
  .addHelpText(
    'after',
    `
Begin with \`esteira up\`, and in another terminal \`esteira init orders\` and \`esteira run orders --wait\`.
Exit codes: 0 done, 1 error, 2 wrong usage, 3 a gate or check said no, 4 rejected or expired.`,
  );
addStackCommands(program);
addProjectCommands(program);
addRunCommands(program);
addImportCommand(program);
addApproveCommands(program);
addModelCommands(program);
addMonitorCommands(program);
addMetricsCommand(program);
addRolloutCommands(program);
addAlertCommands(program);
addGatewayCommand(program);
addScoreCommand(program);
addDriftCommands(program);
addExportCommand(program);
addExperimentCommands(program);
addTrainingCommands(program);
addReplayCommand(program);
addServeCommand(program);
addTokenCommand(program);
addTargetCommand(program);
addKubernetesCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  } else {
    const sentence = error instanceof Error ? error.message : String(error);
    const json = process.argv.includes('--json');
    process.stderr.write(`${json ? JSON.stringify({ error: sentence }) : sentence}\n`);
    process.exitCode = exitCodes.error;
  }
}
