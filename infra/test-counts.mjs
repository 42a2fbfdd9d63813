/** A reporter for Node's test runner that writes only the totals, as JSON, when all files are done. */
export default async function* counts(events) {
  const totals = { pass: 0, fail: 0, skipped: 0 };
  for await (const { type, data } of events) {
    if (type !== 'test:diagnostic' || data.nesting !== 0) continue;
    const [, name, value] = /^(pass|fail|cancelled|skipped) (\d+)$/.exec(data.message) ?? [];
    if (name) totals[name === 'cancelled' ? 'fail' : name] += Number(value);
  }
  yield JSON.stringify(totals);
}
