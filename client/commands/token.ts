/** Tokens for those who ask for predictions. */
import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { sha256 as digest } from '../../infra/digest.ts';
import { say } from '../output.ts';

interface TokenOptions {
  scope: string[];
  model?: string[];
  json?: boolean;
}

const scopes = ['predict', 'admin'];

export function addTokenCommand(program: Command): void {
  program
    .command('token <name>')
    .description('make a token for a caller of the prediction server; it is shown once, and kept nowhere')
    .option('--scope <scope...>', 'predict, admin or both', ['predict'])
    .option('--model <model...>', 'the models it may ask; all, if absent')
    .option('--json', 'for machines')
    .action((name: string, { scope, model, json = false }: TokenOptions) => {
      const strange = scope.find((one) => !scopes.includes(one));
      if (strange !== undefined)
        throw new Error(`"${strange}" is no scope; there are ${scopes.join(' and ')}`);
      const token = randomBytes(32).toString('base64url');
      const sha256 = digest(token);
      const entry = { name, sha256, scopes: scope, ...(model && { models: model }) };
      const text = [
        `Token  ${token}`,
        'Give it to the caller, who sends it as `Authorization: Bearer …`. In the file that ESTEIRA_SERVING_TOKENS names,',
        '`{ "tokens": [ … ] }`, the server finds it by',
        `  ${JSON.stringify(entry)}`,
      ].join('\n');
      say(json, { token, entry }, text);
    });
}
