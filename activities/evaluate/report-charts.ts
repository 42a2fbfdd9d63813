/** The report's charts. */
import type { Scorecard } from '../../contracts/evaluation.ts';
import { blue, drawSvg, grey, size } from '../../infra/page/chart.ts';
import { html, markup, nothing } from '../../infra/page/html.ts';
import type { Html } from '../../infra/page/html.ts';

interface Chart {
  title: string;
  /** What a reader who cannot see it should know. */
  label: string;
  spec: Record<string, unknown>;
}

export async function drawCharts(scorecard: Scorecard): Promise<Html> {
  const charts = [rocChart(scorecard), calibrationChart(scorecard), predictionsChart(scorecard)];
  const figures: Html[] = [];
  for (const chart of charts) {
    if (!chart) continue;
    const svg = await drawSvg({ ...size, ...chart.spec }, chart.label);
    figures.push(
      html`<section>
        <h2>${chart.title}</h2>
        ${markup(svg)}
      </section>`,
    );
  }
  return figures.length > 0 ? html`<div class="figures">${figures}</div>` : nothing;
}

const share = (field: string, title: string) => ({
  ...{ field, title, type: 'quantitative', scale: { domain: [0, 1] } },
  axis: { format: '.0%' },
});

/** The line that a coin, or a perfectly calibrated model, would draw. */
const diagonal = (low: number, high: number) => ({
  data: {
    values: [
      { x: low, y: low },
      { x: high, y: high },
    ],
  },
  mark: { type: 'line', color: grey, strokeDash: [4, 4], strokeWidth: 1.5 },
  encoding: { x: { field: 'x', type: 'quantitative' }, y: { field: 'y', type: 'quantitative' } },
});

function rocChart({ roc, metrics }: Scorecard): Chart | undefined {
  if (!roc) return undefined;
  const curve = {
    data: { values: roc },
    layer: [
      { mark: { type: 'area', color: blue, opacity: 0.1, line: false } },
      { mark: { type: 'line', color: blue, strokeWidth: 2.5 } },
    ],
    encoding: {
      x: share('fpr', 'False alarms (share of negatives)'),
      y: { ...share('tpr', 'Found (share of positives)'), stack: null },
      order: { field: 'fpr', type: 'quantitative' },
    },
  };
  const area = metrics['roc_auc']?.value?.toFixed(3) ?? 'unknown';
  return {
    title: 'ROC curve',
    label: `ROC curve; area ${area}`,
    spec: { layer: [diagonal(0, 1), curve] },
  };
}

function calibrationChart({ calibration, task }: Scorecard): Chart | undefined {
  if (calibration.length === 0) return undefined;
  const regression = task === 'regression';
  const ends = calibration.flatMap(({ predicted, actual }) => [predicted, actual]);
  const domain = regression ? [Math.min(...ends), Math.max(...ends)] : [0, 1];
  const axis = (field: string, title: string) => ({
    ...{ field, title, type: 'quantitative', scale: { domain, zero: false, nice: regression } },
    axis: regression ? {} : { format: '.0%' },
  });
  const points = {
    data: { values: calibration },
    layer: [
      { mark: { type: 'line', color: blue, strokeWidth: 2 } },
      {
        mark: { type: 'point', filled: true, color: blue, opacity: 1 },
        encoding: {
          size: { field: 'rows', type: 'quantitative', scale: { range: [25, 220] }, legend: null },
        },
      },
    ],
    encoding: { x: axis('predicted', 'Predicted'), y: axis('actual', 'Came true') },
  };
  const worst = Math.max(...calibration.map(({ predicted, actual }) => Math.abs(predicted - actual)));
  return {
    title: 'Calibration',
    label: `Calibration; the largest gap between predicted and actual is ${worst.toPrecision(2)}`,
    spec: { layer: [diagonal(domain[0]!, domain[1]!), points] },
  };
}

function predictionsChart({ predictions, task }: Scorecard): Chart {
  const { low, high, counts } = predictions;
  const width = (high - low) / counts.length;
  const values = counts.map((rows, i) => ({ from: low + i * width, to: low + (i + 1) * width, rows }));
  const title = task === 'multiclass-classification' ? 'Probability of the class predicted' : 'Prediction';
  const format = task === 'regression' ? '~s' : '.0%';
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => low + part * (high - low));
  const bars = {
    mark: { type: 'bar', color: blue, binSpacing: 1 },
    encoding: {
      x: {
        field: 'from',
        bin: { binned: true, step: width },
        type: 'quantitative',
        title,
        axis: { format, values: ticks },
      },
      x2: { field: 'to' },
      y: { field: 'rows', type: 'quantitative', title: 'Rows', axis: { format: '~s' } },
    },
  };
  return {
    title: 'What it predicts',
    label: 'Histogram of the predictions',
    spec: { data: { values }, ...bars },
  };
}
