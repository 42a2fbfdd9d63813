/**
 * The workflow code as one file for the sandbox, built once per content: bundling costs 1.2 s, reading a cached
 * bundle nothing.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import type { BundleOptions, WorkflowBundlePath } from '@temporalio/worker';
import { unlessCode } from './errno.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * A sandbox evaluates each module anew for each workflow. So ours are evaluated when they are first used: a tick's workflow
 * has no use for what a project may say, which is two thirds of the work.
 */
const lazily =
  (files: readonly string[]): NonNullable<BundleOptions['webpackConfigHook']> =>
  (config) => {
    const rules = (config.module?.rules ?? []) as { use: { loader?: string; options: object } }[];
    const ofTypeScript = rules.find(({ use }) => use.loader?.includes('swc-loader'));
    if (!ofTypeScript) throw new Error('the bundler has no rule for TypeScript any more');
    const lazy = files.flatMap((path) => [`./${basename(path)}`, `../${path}`]);
    ofTypeScript.use.options = { ...ofTypeScript.use.options, module: { type: 'commonjs', lazy } };
    return config;
  };

/** For `Worker.create({ workflowBundle })`. Safe when several processes ask at once. */
export async function workflowBundle(cacheDir: string): Promise<WorkflowBundlePath> {
  const codePath = join(cacheDir, 'workflows', `${await sourceDigest()}.cjs`);
  if (await stat(codePath).catch(unlessCode('ENOENT'))) return { codePath };
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(root, 'workflows', 'index.ts'),
    payloadConverterPath: join(root, 'workflows', 'payload-converter.ts'),
    webpackConfigHook: lazily(await sources()),
    logger: new DefaultLogger('WARN'),
  });
  await mkdir(join(codePath, '..'), { recursive: true });
  const staged = `${codePath}.${randomUUID()}`;
  await writeFile(staged, code);
  await rename(staged, codePath);
  return { codePath };
}

/** Of all that can end up in the bundle, and how: our two folders, this file, and the locked versions of everything else. */
async function sourceDigest(): Promise<string> {
  const hash = createHash('sha256');
  for (const path of [...(await sources()), 'infra/workflow-bundle.ts', 'package-lock.json']) {
    hash
      .update(`${path}\0`)
      .update(await readFile(join(root, path)))
      .update('\0');
  }
  return hash.digest('hex').slice(0, 32);
}

const sources = async (): Promise<string[]> =>
  (await Promise.all(['workflows', 'contracts'].map(filesUnder))).flat();

async function filesUnder(folder: string): Promise<string[]> {
  const names = await readdir(join(root, folder), { recursive: true });
  return names
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`)
    .toSorted();
}
