/** The looks of our pages, light and dark by the reader's own setting. */
export const style = `
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6575; --line: #d9dee6; --page: #fafbfc; --card: #fff;
  --good: #12743f; --good-bg: #e6f4ec; --bad: #b3261e; --bad-bg: #fdeceb; --hue: 217 91% 60%; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #9aa4b5; --line: #2f3745; --page: #12161d;
  --card: #1a2029; --good: #6fd39b; --good-bg: #143524; --bad: #ff9d95; --bad-bg: #431b19; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 32px 20px 64px; }
header p { color: var(--soft); margin: 0; }
h1 { font-size: 28px; line-height: 1.2; margin: 4px 0 16px; letter-spacing: -0.01em; }
h2 { font-size: 17px; margin: 0 0 12px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 20px; margin-top: 16px; }
.verdict { border-left: 6px solid; border-radius: 10px; padding: 14px 18px; }
.verdict strong { font-size: 19px; display: block; }
.passed { color: var(--good); background: var(--good-bg); } .missed { color: var(--bad); background: var(--bad-bg); }
.verdict.passed { border-color: var(--good); } .verdict.missed { border-color: var(--bad); }
.tag { display: inline-block; padding: 1px 9px; border-radius: 99px; font-size: 13px; font-weight: 600; white-space: nowrap; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 16px; margin-top: 16px; }
.figures section { margin: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: 8px; font-size: 14px; }
th, td { padding: 6px 14px 6px 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } td.text, th.text { text-align: left; }
thead th { color: var(--soft); font-weight: 600; font-size: 13px; }
tbody th { font-weight: 500; } tbody tr:last-child > * { border-bottom: 0; }
small, .soft { color: var(--soft); font-size: 13px; }
code { font: 13px ui-monospace, SFMono-Regular, Menlo, monospace; overflow-wrap: anywhere; white-space: normal; }
svg { max-width: 100%; height: auto; display: block; color: var(--soft); }
.confusion { width: auto; } .confusion td { min-width: 84px; text-align: center; padding: 10px 14px; border: 2px solid var(--card); }
.confusion th { padding-right: 14px; }
.bar { display: inline-block; width: 120px; height: 8px; border-radius: 4px; background: var(--line); vertical-align: middle; }
.bar i { display: block; height: 100%; border-radius: 4px; background: hsl(var(--hue)); }
details summary { cursor: pointer; font-weight: 600; } details + details { margin-top: 10px; }
@media print { body { background: none; } section { break-inside: avoid; } }`;
