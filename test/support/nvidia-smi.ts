/** A program called nvidia-smi, first on the PATH, that tells of the devices that a test wants. */
import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface NvidiaSmi {
  /** From now on it lists these: index, name, total memory, utilisation, used memory. */
  lists(...lines: string[]): Promise<void>;
  /** From now on it is this shell script. */
  says(shell: string): Promise<void>;
  close(): Promise<void>;
}

export async function fakeNvidiaSmi(): Promise<NvidiaSmi> {
  const folder = await mkdtemp(join(tmpdir(), 'esteira-nvidia-smi-'));
  const path = process.env['PATH'];
  process.env['PATH'] = `${folder}:${path}`;
  /** Renamed into its place: somebody may be running it. */
  const says = async (shell: string) => {
    const made = join(folder, 'made');
    await writeFile(made, `#!/bin/sh\n${shell}\n`);
    await chmod(made, 0o755);
    await rename(made, join(folder, 'nvidia-smi'));
  };
  return {
    says,
    async lists(...lines) {
      const rows = lines.map((line) => line.split(', '));
      const found = rows.map(([index, name, memory]) => `${index}, ${name}, ${memory}`).join('\n');
      const used = rows.map(([index, , , busy, memory]) => `${index}, ${busy}, ${memory}`).join('\n');
      await says(`case "$1" in *utilization*) cat <<'E'\n${used}\nE\n;; *) cat <<'E'\n${found}\nE\n;; esac`);
    },
    async close() {
      process.env['PATH'] = path;
      await rm(folder, { recursive: true });
    },
  };
}
