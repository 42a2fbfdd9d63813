/** Which process trains: its program, its code, its environment, and what it sees of the machine. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EnvironmentInfo } from '../../contracts/experiment.ts';
import { permanent } from '../../contracts/failures.ts';
import type { PinnedProject } from '../../contracts/project.ts';
import type { PythonTrainer, Trainer } from '../../contracts/training.ts';
import type { Environment } from '../../infra/config.ts';
import { codeDigest, nodeDigest } from '../../infra/code-digest.ts';
import { sha256 } from '../../infra/digest.ts';
import { canonicalJson, readBytes } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import type { EnvironmentOrder, PythonEnvironment, Say } from '../../infra/python-environment.ts';

export interface Launch {
  url: URL;
  /** What comes before the path of the request. */
  args: string[];
  cwd?: string;
  env: Environment;
  environment: EnvironmentInfo;
  /** Over the trainer's own code. */
  code: string;
}

export interface LaunchDeps {
  store: Pick<Store, 'readBlob'>;
  /** As infra/python-environment.ts has it: built once, kept in the cache. */
  pythonEnvironment(order: EnvironmentOrder, say: Say, signal: AbortSignal): Promise<PythonEnvironment>;
}

/** The kit for scripts, and the trainers that ship. */
const kit = new URL('./python/', import.meta.url);

/** @throws `EnvironmentFailed`, `TrainerFailed` */
export async function launch(
  folder: string,
  deps: LaunchDeps,
  pinned: PinnedProject,
  say: Say,
  signal: AbortSignal,
): Promise<Launch> {
  const { trainer } = pinned.project;
  if (trainer.backend === 'onnx') return embedded();
  const { files = [] } = pinned;
  const codeFolder = await materialise(folder, deps.store as Store, files);
  const code = sha256(canonicalJson({ trainer: codeOf(trainer), files: files.map(digestOf) }));
  if (trainer.backend === 'command') {
    return {
      url: new URL('./command-trainer.ts', import.meta.url),
      args: [JSON.stringify(trainer.command)],
      cwd: trainer.files.length > 0 ? codeFolder : pinned.root,
      env: { MALLOC_ARENA_MAX: undefined },
      environment: nodeEnvironment(),
      code,
    };
  }
  return python(trainer, deps, codeFolder, code, say, signal);
}

function embedded(): Launch {
  return {
    url: new URL('./onnx-trainer.ts', import.meta.url),
    ...{ args: [], env: {}, environment: nodeEnvironment() },
    code: codeDigest('activities/train', 'infra/onnx'),
  };
}

async function python(
  trainer: PythonTrainer,
  deps: LaunchDeps,
  codeFolder: string,
  code: string,
  say: Say,
  signal: AbortSignal,
): Promise<Launch> {
  const ready = (suffix: string) => fileURLToPath(new URL(`ready/${trainer.use}${suffix}`, kit));
  const script = trainer.use ? ready('-trainer.py') : join(codeFolder, trainer.script!);
  const lockPath = trainer.requirements ? join(codeFolder, trainer.requirements) : ready('.lock');
  const lockName = trainer.requirements ?? `the lock of ${trainer.use}`;
  // A trainer that ships, on the machine's own packages: those are what there is.
  const bare = trainer.systemPackages && trainer.requirements === undefined;
  const lock = bare ? '' : await readFile(lockPath, 'utf8');
  const order = { lock, lockName, python: trainer.python, systemPackages: trainer.systemPackages };
  const { python: interpreter, info } = await deps.pythonEnvironment(order, say, signal);
  return {
    url: new URL('./command-trainer.ts', import.meta.url),
    args: [JSON.stringify([interpreter, script])],
    cwd: codeFolder,
    env: {
      MALLOC_ARENA_MAX: undefined, // ours, for workers that wait; a trainer's threads would fight for two
      PYTHONPATH: fileURLToPath(kit),
      OMP_WAIT_POLICY: 'PASSIVE', // threads that spin while they wait take the processor from the others
      PYTHONUNBUFFERED: '1',
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONHASHSEED: String(trainer.seed % 4_294_967_296),
    },
    environment: info,
    code: sha256(canonicalJson({ code, kit: codeDigest('activities/train/python') })),
  };
}

/** The project's own files as they were when it was pinned, whatever lies in its folder now. */
async function materialise(
  folder: string,
  store: Store,
  files: NonNullable<PinnedProject['files']>,
): Promise<string> {
  const root = join(folder, 'code');
  await mkdir(root, { recursive: true });
  for (const { path, artifact } of files) {
    const to = join(root, path);
    if (!to.startsWith(`${root}/`)) {
      throw permanent('InvalidInput', `the project pins ${path}, a file outside its folder`, {
        issues: [path],
      });
    }
    await mkdir(dirname(to), { recursive: true });
    await writeFile(to, await readBytes(store, artifact));
  }
  return root;
}

/** What of the section decides what runs; parameters are told apart. */
function codeOf(trainer: Exclude<Trainer, { backend: 'onnx' }>): unknown {
  if (trainer.backend === 'command') return { command: trainer.command };
  const { use, script, requirements, python, systemPackages } = trainer;
  return { use, script, requirements, python, systemPackages };
}

const digestOf = ({ path, artifact }: NonNullable<PinnedProject['files']>[number]) => [path, artifact.sha256];

function nodeEnvironment(): EnvironmentInfo {
  return { digest: nodeDigest(), node: process.version };
}
