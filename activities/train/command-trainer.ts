/**
 * Runs any program as a trainer: `command-trainer.ts <json array: program and arguments> <request.json>`.
 *
 * It shares this process's output and process group, so a signal to the group reaches it too; this process
 * only waits, and leaves as the program left.
 */
import { spawn } from 'node:child_process';

const [command, requestPath] = process.argv.slice(-2);
const [program, ...args] = JSON.parse(command!) as string[];

process.on('SIGTERM', () => {
  // The program has it too; its end is ours.
});
const child = spawn(program!, [...args, requestPath!], { stdio: ['ignore', 'inherit', 'inherit'] });
// Our own word for "end with what you have"; other programs know it by the name that Node keeps for itself.
process.on('SIGUSR2', () => child.kill('SIGUSR1'));
child.on('error', (error) => {
  process.stderr.write(`${program}: ${error.message}\n`);
  process.exitCode = 127;
});
child.on('exit', (code, signal) => {
  if (!signal) process.exit(code ?? 1);
  process.removeAllListeners('SIGTERM');
  process.kill(process.pid, signal);
});
