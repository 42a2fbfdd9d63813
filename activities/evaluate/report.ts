/**
 * The report that an approver reads: one HTML file without scripts or anything from elsewhere, so that it
 * says the same in ten years. No clock is in it: equal runs make equal bytes.
 */
import type { Scorecard } from '../../contracts/evaluation.ts';
import type { GateResult, Input } from '../../contracts/lifecycle.ts';
import type { PinnedProject } from '../../contracts/project.ts';
import { drawCharts } from './report-charts.ts';
import { html, nothing, number } from '../../infra/page/html.ts';
import type { Html } from '../../infra/page/html.ts';
import { pageText } from '../../infra/page/page.ts';
import { tableSection } from '../../infra/page/table.ts';
import { confusionTable, fitTable, gatesTable, metricsTable } from './report-tables.ts';
import { slicesTables } from './report-slices.ts';

export interface ReportContent {
  input: Input<'evaluate'>;
  pinned: PinnedProject;
  scorecard: Scorecard;
  gates: readonly GateResult[];
  passed: boolean;
  scorecardDigest: string;
}

export async function renderReport(content: ReportContent): Promise<string> {
  const { input, pinned, scorecard, gates } = content;
  const { model, description, owner } = pinned.project;
  const charts = await drawCharts(scorecard);
  const body = html`<header>
      <p>${input.lifecycleId} · ${scorecard.task} · owned by ${owner}</p>
      <h1>${model}</h1>
      ${description ? html`<p>${description}</p>` : nothing}
    </header>
    ${verdict(content)}${gatesTable(gates)}${metricsTable(scorecard)}${charts}
    <div class="figures">${[confusionTable(scorecard), fitTable(scorecard)]}</div>
    ${slicesTables(scorecard)}${lineage(content)}`;
  return pageText({ title: `${model}: evaluation of ${input.lifecycleId}`, body });
}

function verdict({ scorecard, gates, passed }: ReportContent): Html {
  const missed = gates.filter((gate) => !gate.passed);
  const headline = passed
    ? gates.length === 0
      ? 'No gates are set: nothing was held against this model'
      : `Meets ${gates.length === 1 ? 'its gate' : `all ${gates.length} gates`}`
    : `Misses ${missed.length} of ${gates.length} gates: ${missed.map(({ metric }) => metric).join(', ')}`;
  const [name, value] = Object.entries(scorecard.metrics).find(([each]) => each in headlineMetrics) ?? [];
  const best = name && value ? `${headlineMetrics[name]} ${number(value.value)} on ` : 'Scored on ';
  const base =
    scorecard.baseRate === undefined ? '' : `, ${number(scorecard.baseRate * 100)} % of them positive`;
  return html`<section class="verdict ${passed ? 'passed' : 'missed'}">
    <strong>${passed ? '✓' : '✗'} ${headline}</strong> ${best}${scorecard.rows.toLocaleString('en')} rows it
    never saw${base}.
  </section>`;
}

const headlineMetrics: Record<string, string> = { roc_auc: 'ROC AUC', macro_f1: 'Macro F1', rmse: 'RMSE' };

function lineage({ input, pinned, scorecardDigest }: ReportContent): Html {
  const digests: [string, string][] = [
    ['Model package', input.candidate.model.sha256],
    ['Prepared data', input.prepared.manifest.sha256],
    ['Project', input.project.sha256],
    ['Gates', pinned.gatesDigest],
    ['Scorecard', scorecardDigest],
    ...(input.champion
      ? [[`Champion (version ${input.champion.version})`, input.champion.model.sha256] as [string, string]]
      : []),
    ...(pinned.gitCommit ? [['Git commit', pinned.gitCommit] as [string, string]] : []),
  ];
  const { train, validation, holdout } = input.prepared.rows;
  const [a, b, c] = [train, validation, holdout].map((rows) => rows.toLocaleString('en'));
  return tableSection('Where it comes from', {
    caption: `${a} training, ${b} validation and ${c} holdout rows. SHA-256 of what this report is about.`,
    rows: digests.map(([name, digest]) => [name, html`<code>${digest}</code>`]),
  });
}
