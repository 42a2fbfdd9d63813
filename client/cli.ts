/** `esteira`: one program, a command a verb. Errors are one sentence; exit codes are for scripts. */
import { Command, CommanderError } from 'commander';
import { addApproveCommands } from './commands/approve.ts';
import { addModelCommands } from './commands/model.ts';
import { addProjectCommands } from './commands/project.ts';
import { addRunCommands } from './commands/run.ts';
import { addStackCommands } from './commands/stack.ts';
import { exitCodes } from './output.ts';

const program = new Command('esteira')
  .description('Durable machine-learning lifecycles: from raw data to a live model and back again.')
  .exitOverride()
  .showHelpAfterError('(--help shows what is possible)');
addStackCommands(program);
addProjectCommands(program);
addRunCommands(program);
addApproveCommands(program);
addModelCommands(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  } else {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = exitCodes.error;
  }
}
