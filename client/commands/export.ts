/** `esteira export`: a version for other tools. */
import type { Command } from 'commander';
import { say, table } from '../output.ts';
import { withEsteira } from './session.ts';

export function addExportCommand(program: Command): void {
  program
    .command('export <model> <folder>')
    .description(
      'write a version (flights, flights@previous, flights/3) as an OCI image layout: CNCF ModelPack',
    )
    .option('--json', 'for machines')
    .action((model: string, folder: string, { json = false }: { json?: boolean }) =>
      withEsteira(async (esteira) => {
        const { exportVersion } = await import('../export.ts');
        const exported = await exportVersion(esteira, model, folder);
        const rows = exported.files.map(({ path, mediaType, bytes }) => [path, String(bytes), mediaType]);
        const text = [
          `${exported.model}/${exported.version} is in ${exported.folder}`,
          exported.digest,
          '',
          table(['file', 'bytes', 'media type'], rows),
          '',
          `To a registry: oras cp --from-oci-layout ${folder}:${exported.tag} registry.example.com/${exported.model}:${exported.tag}`,
        ];
        say(json, exported, text.join('\n'));
      }),
    );
}
