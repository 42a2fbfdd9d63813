/** Tokens for those who ask for predictions, and for callers of the gateway. */
import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { sha256 as digest } from '../../infra/digest.ts';
import { say } from '../output.ts';

interface TokenOptions {
  scope?: string[];
  model?: string[];
  gateway?: boolean;
  json?: boolean;
}

const scopes = ['predict', 'admin'];
const gatewayScopes = ['events', 'labels', 'data', 'trigger', 'approve', 'read', 'admin'];

export function addTokenCommand(program: Command): void {
  program
    .command('token <name>')
    .description(
      'make a token for a caller of the prediction server, or of the gateway; it is shown once, and kept nowhere',
    )
    .option('--scope <scope...>', 'predict, admin or both; for the gateway, what the caller may')
    .option('--model <model...>', 'the models it may ask; all, if absent')
    .option('--gateway', `for the gateway; scopes are ${gatewayScopes.join(', ')}`)
    .option('--json', 'for machines')
    .action((name: string, { scope, model, gateway = false, json = false }: TokenOptions) => {
      const known = gateway ? gatewayScopes : scopes;
      const may = scope ?? [known[0]!];
      const strange = may.find((one) => !known.includes(one));
      if (strange !== undefined)
        throw new Error(
          `"${strange}" is no scope; there are ${known.slice(0, -1).join(', ')} and ${known.at(-1)}`,
        );
      const token = randomBytes(32).toString('base64url');
      const made = (gateway ? gatewayEntry : servingEntry)(name, digest(token), may, model);
      const text = [
        `Token  ${token}`,
        `Give it to the caller, who sends it as \`Authorization: Bearer …\`. ${made.text}`,
      ].join('\n');
      say(json, { token, entry: made.entry }, text);
    });
}

function servingEntry(name: string, sha256: string, scopes: string[], models: string[] | undefined) {
  const entry = { name, sha256, scopes, ...(models && { models }) };
  const text = [
    'In the file that ESTEIRA_SERVING_TOKENS names,',
    '`{ "tokens": [ … ] }`, the server finds it by',
    `  ${JSON.stringify(entry)}`,
  ].join('\n');
  return { entry, text };
}

/** JSON is YAML. */
function gatewayEntry(name: string, sha256: string, may: string[], models: string[] | undefined) {
  const caller = { proof: { by: 'token', sha256 }, may, ...(models && { models }) };
  const text = `In gateway.yaml, under \`callers:\`, it is\n  ${name}: ${JSON.stringify(caller)}`;
  return { entry: { [name]: caller }, text };
}
