/**
 * A real S3 server for tests: versitygw over a temporary folder, built once by Go into the cache.
 * Where there is no Go, the S3 half of a suite is skipped, and says so.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { freePort } from '../../infra/local.ts';
import { goTool } from './go-tool.ts';

const version = 'v1.8.0';

export interface S3Server {
  /** A store URI in a bucket of its own. */
  uri: string;
  endpoint: string;
  /** Keys of multipart uploads that were begun, and neither completed nor aborted. */
  uploads(): Promise<string[]>;
  stop(): Promise<void>;
}

/** @returns the server, or why there is none. Sets this process's AWS credentials to the server's. */
export async function startS3(): Promise<S3Server | string> {
  const binary = await goTool('github.com/versity/versitygw/cmd/versitygw', version);
  if (!binary.startsWith('/')) return binary;
  const root = await mkdtemp(join(tmpdir(), 'esteira-s3-'));
  await mkdir(join(root, 'data', 'esteira-test'), { recursive: true });
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test-secret' });
  const port = await freePort(0);
  const args = ['--port', `127.0.0.1:${port}`, '--access', 'test', '--secret', 'test-secret', '--quiet'];
  const child = spawn(binary, [...args, 'posix', join(root, 'data')], {
    stdio: 'ignore',
  });
  const endpoint = `http://127.0.0.1:${port}`;
  const problem = await answers(endpoint, child);
  if (problem) return problem;
  return {
    uri: `s3://esteira-test/store?endpoint=${encodeURIComponent(endpoint)}`,
    uploads: () => uploadsAt(endpoint),
    endpoint,
    stop: () => stop(child, root),
  };
}

/** @returns why it does not, as on a file system without extended attributes */
async function answers(endpoint: string, child: ChildProcess): Promise<string | undefined> {
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) return `versitygw does not start here: exit code ${child.exitCode}`;
    const answered = await fetch(endpoint).then(
      () => true,
      () => false,
    );
    if (answered) return undefined;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return 'versitygw does not answer within 5 s';
}

async function stop(child: ChildProcess, root: string): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  await rm(root, { recursive: true, force: true });
}

async function uploadsAt(endpoint: string): Promise<string[]> {
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true });
  const found = await client.send(new ListMultipartUploadsCommand({ Bucket: 'esteira-test' }));
  client.destroy();
  return (found.Uploads ?? []).map(({ Key }) => Key!);
}
