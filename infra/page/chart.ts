/**
 * Charts: Vega-Lite specifications drawn to SVG here, so that the page needs no script. Text and axes take the
 * page's colour; marks have hues that both themes bear.
 */
import type { TopLevelSpec } from 'vega-lite';
import { html } from './html.ts';

export const blue = '#3b82f6';
export const grey = '#8a94a6';
export const size = { width: 290, height: 230 };

const config = {
  background: 'transparent',
  font: 'system-ui, sans-serif',
  view: { stroke: 'transparent' },
  axis: {
    ...{ labelColor: 'currentColor', titleColor: 'currentColor', domainColor: 'currentColor' },
    ...{ tickColor: 'currentColor', gridColor: 'currentColor', gridOpacity: 0.15, domainOpacity: 0.4 },
    ...{ titleFontWeight: 'normal', titleFontSize: 12, labelFontSize: 11, tickCount: 5 },
  },
  legend: {
    labelColor: 'currentColor',
    titleColor: 'currentColor',
    titleFontWeight: 'normal',
    labelFontSize: 12,
  },
} as const;

/** Vega is heavy and few need it: loaded for the first chart. @param label for a reader who cannot see it */
export async function drawSvg(chart: Record<string, unknown>, label: string): Promise<string> {
  const [{ compile }, { parse, View }] = await Promise.all([import('vega-lite'), import('vega')]);
  const spec = { ...chart, config, autosize: { type: 'pad' } } as unknown as TopLevelSpec;
  const svg = await new View(parse(compile(spec).spec), { renderer: 'none' }).toSVG();
  return svg.replace('<svg ', `<svg role="img" aria-label="${html`${label}`.html}" `);
}
