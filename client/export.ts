/**
 * `esteira export`: a version as an OCI image layout, in the shape of the CNCF ModelPack: any OCI tool can push it.
 *
 * Nothing of the day or the machine is in it, so the same version has the same digest wherever it is exported.
 *
 * @see https://github.com/modelpack/model-spec
 * @see https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 */
import { createWriteStream } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Artifact } from '../contracts/artifact.ts';
import { PinnedProject } from '../contracts/project.ts';
import type { Package, VersionRecord } from '../contracts/serving.ts';
import { sha256 } from '../infra/digest.ts';
import { hasCode, unlessCode } from '../infra/errno.ts';
import { canonicalJson, readJsonBlob } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';
import type { Esteira } from './index.ts';
import { usableVersion } from './named.ts';

const types = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  model: 'application/vnd.cncf.model.manifest.v1+json',
  config: 'application/vnd.cncf.model.config.v1+json',
  weight: 'application/vnd.cncf.model.weight.v1.raw',
  weightConfig: 'application/vnd.cncf.model.weight.config.v1.raw',
  doc: 'application/vnd.cncf.model.doc.v1.raw',
} as const;

export interface Exported {
  folder: string;
  model: string;
  version: number;
  /** Of the manifest: what a registry will call it. */
  digest: string;
  tag: string;
  files: { path: string; mediaType: string; digest: string; bytes: number }[];
}

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  annotations?: Record<string, string>;
}

/** @throws Error when the folder holds something else; {NotFound} for a version that is not there, or barred */
export async function exportVersion(esteira: Esteira, name: string, folder: string): Promise<Exported> {
  const { record, package: made } = await usableVersion(esteira, name);
  const to = resolve(folder);
  await mkdir(dirname(to), { recursive: true });
  const staged = await mkdtemp(`${to}.part-`);
  try {
    const exported = await write(esteira.store, record, made, staged);
    await place(staged, to, folder);
    return { ...exported, folder: to };
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}

async function write(
  store: Store,
  record: VersionRecord,
  made: Package,
  root: string,
): Promise<Omit<Exported, 'folder'>> {
  await mkdir(join(root, 'blobs', 'sha256'), { recursive: true });
  const { project } = await readJsonBlob(store, made.project, PinnedProject);
  const layers = await layersOf(store, made, root);
  const config = await blob(root, types.config, {
    descriptor: {
      ...{ name: record.model, version: String(record.version), family: made.task },
      ...{ title: record.model, description: project.description, authors: [project.owner] },
    },
    config: { format: 'onnx' },
    modelfs: { type: 'layers', diffIds: layers.map(({ digest }) => digest) },
  });
  const manifest = await blob(root, types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    artifactType: types.model,
    ...{ config, layers },
    annotations: {
      'org.opencontainers.image.title': record.model,
      'org.opencontainers.image.version': String(record.version),
      'esteira.lifecycle': made.lifecycleId,
      'esteira.package.sha256': record.package.sha256,
      'esteira.dataset.sha256': made.datasetDigest,
    },
  });
  const tag = String(record.version);
  const entry = {
    ...{ ...manifest, artifactType: types.model },
    annotations: { 'org.opencontainers.image.ref.name': tag },
  };
  const index = { schemaVersion: 2, mediaType: types.index, manifests: [entry] };
  await writeFile(join(root, 'oci-layout'), canonicalJson({ imageLayoutVersion: '1.0.0' }));
  await writeFile(join(root, 'index.json'), canonicalJson(index));
  const files = layers.map(({ mediaType, digest, size, annotations }) => ({
    ...{ path: annotations![filepath]!, mediaType, digest, bytes: size },
  }));
  return { model: record.model, version: record.version, digest: manifest.digest, tag, files };
}

const filepath = 'org.cncf.model.filepath';

/** What one must have to serve it, then what one must read to trust it. */
async function layersOf(store: Store, made: Package, root: string): Promise<Descriptor[]> {
  const named = (path: string, descriptor: Descriptor): Descriptor => ({
    ...descriptor,
    // The second is what plain OCI tools name the file by.
    annotations: { [filepath]: path, 'org.opencontainers.image.title': path },
  });
  const { signature, golden, reference, card, report, scorecard, onnx } = made;
  return [
    named('model.onnx', await copied(store, root, types.weight, onnx)),
    named('signature.json', await blob(root, types.weightConfig, signature)),
    named('golden.json', await copied(store, root, types.weightConfig, golden)),
    named('reference.json', await blob(root, types.weightConfig, reference)),
    named('README.md', await copied(store, root, types.doc, card)),
    named('report.html', await copied(store, root, types.doc, report)),
    named('scorecard.json', await copied(store, root, types.doc, scorecard)),
  ];
}

async function copied(
  store: Store,
  root: string,
  mediaType: string,
  artifact: Artifact,
): Promise<Descriptor> {
  await pipeline(store.readBlob(artifact), createWriteStream(blobPath(root, artifact.sha256)));
  return { mediaType, digest: `sha256:${artifact.sha256}`, size: artifact.bytes };
}

async function blob(root: string, mediaType: string, value: unknown): Promise<Descriptor> {
  const text = canonicalJson(value);
  const digest = sha256(text);
  await writeFile(blobPath(root, digest), text);
  return { mediaType, digest: `sha256:${digest}`, size: Buffer.byteLength(text) };
}

const blobPath = (root: string, digest: string): string => join(root, 'blobs', 'sha256', digest);

/** Whole or not at all. A folder that holds this very version already is left as it is. */
async function place(staged: string, to: string, shown: string): Promise<void> {
  try {
    await chmod(staged, 0o755); // a temporary folder is for its owner alone
    await rename(staged, to); // also over an empty folder
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) throw error;
    const there = await readFile(join(to, 'index.json'), 'utf8').catch(unlessCode('ENOENT'));
    if (there === (await readFile(join(staged, 'index.json'), 'utf8'))) return;
    const [first] = await readdir(to).catch(unlessCode('ENOTDIR', []));
    throw new Error(
      `${shown} ${first === undefined ? 'is a file' : `is not empty (${first})`}; export overwrites nothing`,
      { cause: error },
    );
  }
}
