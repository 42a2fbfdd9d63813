/** The prediction server on Kubernetes. */
import { spawn } from 'node:child_process';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { manifestsOf } from '../kubernetes.ts';
import type { KubernetesOptions } from '../kubernetes.ts';

interface Given {
  name: string;
  namespace: string;
  image: string;
  store?: string;
  model: string[];
  min: string;
  max: string;
  secret?: string;
  kserve?: boolean;
  apply?: boolean;
}

export function addKubernetesCommand(program: Command): void {
  program
    .command('kubernetes')
    .description('manifests of the prediction server: Deployment, Service, autoscaler, disruption budget')
    .requiredOption('--image <image>', 'built from infra/images/Dockerfile, target serving')
    .option('--store <s3 uri>', 'ESTEIRA_STORE, if absent')
    .option('--model <model...>', 'models to serve; all of the store, if absent', [])
    .option('--name <name>', 'of everything', 'esteira-serving')
    .option('--namespace <namespace>', 'where it goes', 'default')
    .option('--min <n>', 'replicas at least', '2')
    .option('--max <n>', 'replicas at most', '10')
    .option('--secret <name>', 'a secret with the AWS_… variables of the store')
    .option('--kserve', 'an InferenceService of KServe instead')
    .option('--apply', 'by kubectl, instead of printing')
    .action(async (given: Given) => {
      const documents = manifestsOf(await optionsOf(given)).map((manifest) => stringify(manifest));
      const text = documents.join('---\n');
      if (given.apply) await apply(text);
      else process.stdout.write(text);
    });
}

/** @throws Error naming the option to mend */
async function optionsOf(given: Given): Promise<KubernetesOptions> {
  const { readConfig } = await import('../../infra/config.ts');
  const store = given.store ?? readConfig().store;
  if (!store.startsWith('s3://'))
    throw new Error(`the store is ${store}, which pods cannot share; give one with --store s3://…`);
  for (const [option, value] of [
    ['--name', given.name],
    ['--namespace', given.namespace],
  ] as const)
    if (!/^[a-z]([a-z0-9-]{0,51}[a-z0-9])?$/.test(value))
      throw new Error(`${option} is "${value}"; it must be lower-case letters, digits and dashes`);
  const [min, max] = [count('--min', given.min), count('--max', given.max)];
  if (min > max) throw new Error(`--min is ${min}, more than --max, which is ${max}`);
  const { name, namespace, image, model: models, secret, kserve = false } = given;
  return { name, namespace, image, store, models, replicas: { min, max }, secret, kserve };
}

function count(option: string, text: string): number {
  if (/^[1-9][0-9]{0,3}$/.test(text)) return Number(text);
  throw new Error(`${option} is "${text}"; it must be a whole number from 1`);
}

/** @throws Error when kubectl is missing, or says no; its own words go to the terminal */
function apply(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const kubectl = spawn('kubectl', ['apply', '--server-side', '--field-manager=esteira', '-f', '-'], {
      stdio: ['pipe', 'inherit', 'inherit'],
    });
    kubectl.on('error', (error) => reject(new Error(`kubectl cannot be run: ${error.message}`)));
    kubectl.on('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`kubectl did not apply it (exit code ${code})`));
    });
    kubectl.stdin.end(text);
  });
}
