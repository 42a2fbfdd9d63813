/** Traces: a span for each request, a child of its caller's, at a collector that takes OTLP. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { publishSlots, publishVersion } from '../support/serving-model.ts';
import { inferBody, makePlace } from '../support/server.ts';

interface Span {
  name: string;
  traceId: string;
  parentSpanId?: string;
  attributes: { key: string; value: Record<string, unknown> }[];
  status: { code?: number };
}

test('each request is a span under its caller’s, and nothing of its content is in it', async () => {
  const received: string[] = [];
  const collector = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      received.push(body);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as AddressInfo;
  const place = await makePlace();
  await publishSlots(place.store, { champion: await publishVersion(place.store, 1, 1) });
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_SERVICE_NAME: 'predictions' };
  const { child, url } = await place.start('one', { env });
  const [trace, parent] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
  const infer = (model: string) =>
    fetch(`${url}/v2/models/${model}/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent: `00-${trace}-${parent}-01` },
      body: JSON.stringify(inferBody(2, { id: 'traced' })),
    });
  assert.equal((await infer('flights')).status, 200);
  assert.equal((await infer('nobody')).status, 404);
  await child.kill(10_000); // what is left is sent
  const text = received.join('');
  assert.match(text, /"predictions"/);
  const spans = received.flatMap((body) =>
    (JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] }).resourceSpans.flatMap(
      ({ scopeSpans }) => scopeSpans.flatMap(({ spans: own }) => own),
    ),
  );
  assert.equal(spans.length, 2);
  for (const span of spans) {
    assert.equal(span.traceId, trace);
    assert.equal(span.parentSpanId, parent);
    assert.notEqual(span.status.code, 2, 'what a caller did wrong is no error of ours');
  }
  const keys = spans[0]!.attributes.map(({ key }) => key);
  for (const key of ['esteira.model', 'esteira.route', 'esteira.queue_ms', 'esteira.batch_rows'])
    assert(keys.includes(key), key);
  assert(!text.includes('"AA"') && !text.includes('traced'));
  collector.close();
  await place.remove();
});
