/**
 * `npm test`, `npm run demo` … on a bare machine: installs the locked packages when they are missing or stale,
 * then runs the script. Plain Node, importing nothing installed, for it runs before there is anything.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const local = (path) => `${root}${path}`;
const bin = (name) => local(`node_modules/.bin/${name}`);
const tsx = ['--import', 'tsx'];

/** What each script really runs. */
const scripts = {
  test: [process.execPath, local('infra/test.mjs')],
  demo: [process.execPath, ...tsx, local('examples/flights/demo.ts')],
  bench: [process.execPath, ...tsx, local('bench/index.ts')],
  chaos: [process.execPath, ...tsx, local('test/chaos/index.ts')],
  types: [bin('tsc'), '--noEmit'],
  lint: [bin('oxlint'), '--type-aware'],
  format: [bin('prettier'), '--write', '--log-level', 'warn', '.'],
};

const [name, ...args] = process.argv.slice(2);
const script = scripts[name];
if (!script) {
  console.error(`unknown script "${name}"; known: ${Object.keys(scripts).join(', ')}`);
  process.exit(2);
}

if (stale()) install();
const [command, ...fixed] = script;
const result = spawnSync(command, [...fixed, ...args], { cwd: root, stdio: 'inherit' });
process.exit(result.status ?? 1);

/** npm writes the inner lock last, so one that is older than ours belongs to an earlier or a broken install. */
function stale() {
  const installed = local('node_modules/.package-lock.json');
  return !existsSync(installed) || statSync(installed).mtimeMs < statSync(local('package-lock.json')).mtimeMs;
}

/** No package here needs its install script: the native ones ship their binaries. */
function install() {
  console.log('Installing the locked packages (npm ci), once …');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const { status, stdout, stderr } = spawnSync(npm, ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    shell: process.platform === 'win32',
  });
  if (status === 0) return;
  console.error(`${stdout ?? ''}${stderr ?? ''}\nnpm ci failed; nothing was run.`);
  process.exit(1);
}
