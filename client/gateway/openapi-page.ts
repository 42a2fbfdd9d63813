/** The OpenAPI document for people: one page without scripts, that fetches nothing. */
import type { OpenApi, Operation } from './openapi.ts';

export function openApiPage({ info, paths }: OpenApi): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => section(method.toUpperCase(), path, operation)),
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(info.title)}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c1c; background: #fff }
  details { border: 1px solid #d5d5d5; border-radius: 6px; margin: .5rem 0; padding: .5rem 1rem }
  summary { cursor: pointer } code, pre { font: 14px/1.45 ui-monospace, monospace }
  pre { overflow-x: auto; background: #f5f5f5; padding: .75rem; border-radius: 6px }
  b { display: inline-block; width: 3.5rem } td { padding: .15rem 1rem .15rem 0; vertical-align: top }
  @media (prefers-color-scheme: dark) { body { color: #e8e8e8; background: #161616 } pre { background: #222 } details { border-color: #444 } }
</style>
<h1>${escaped(info.title)} <small>${escaped(info.version)}</small></h1>
<p>${escaped(info.description)}</p>
<p>For machines: <a href="openapi.json"><code>openapi.json</code></a>.</p>
${operations.join('\n')}
</html>
`;
}

function section(method: string, path: string, operation: Operation): string {
  const { summary, description = '', parameters = [], requestBody, responses } = operation;
  return `<details>
<summary><b>${method}</b> <code>${escaped(path)}</code> ${escaped(summary)}</summary>
<p>${escaped(description).replaceAll(/`([^`]+)`/g, '<code>$1</code>')}</p>
${table(parameters.map((one) => [`${one.name} (${one.in})`, one.description ?? '']))}
${Object.entries(requestBody?.content ?? {})
  .map(
    ([type, { schema }]) =>
      `<p><code>${escaped(type)}</code></p><pre>${escaped(JSON.stringify(schema, null, 1))}</pre>`,
  )
  .join('\n')}
${table(Object.entries(responses).map(([status, one]) => [status, one.description]))}
</details>`;
}

function table(rows: string[][]): string {
  const line = (cells: string[]) => `<tr>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`;
  return rows.length === 0 ? '' : `<table>${rows.map(line).join('')}</table>`;
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string): string => text.replaceAll(/[&<>"]/g, (one) => entities[one]!);
