/**
 * Prometheus' text format 0.0.4.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */

/** Labels as they are written: `model="flights"`. */
export type Sample = [labels: string, value: number];

export const expositionType = 'text/plain; version=0.0.4; charset=utf-8';

export function family(name: string, type: 'counter' | 'gauge', help: string, samples: Sample[]): string[] {
  return [
    ...header(name, type, help),
    ...samples.map(([labels, value]) => `${name}${labels ? `{${labels}}` : ''} ${value}`),
  ];
}

export function header(name: string, type: 'counter' | 'gauge' | 'histogram', help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

/** Whatever their values hold. */
export function labels(values: Record<string, string | number>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}="${escaped(String(value))}"`)
    .join(',');
}

const escaped = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
