/** Every form that an event may come in, on a gateway whose Temporal server is away: events are taken all the same. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { cloudEvent, get, keptAs, makeGatewayPlace, send, tell } from '../../support/gateway.ts';
import { until } from '../../support/until.ts';
import type { GatewayPlace, Started } from '../../support/gateway.ts';

let place: GatewayPlace;
let gateway: Started;
before(async () => {
  place = await makeGatewayPlace();
  gateway = await place.start();
});
after(async () => {
  await gateway.child.kill();
  await place.remove();
});

const events = () => `${gateway.url}/events`;
const ids = (body: { events: { id: string }[] }) => body.events.map(({ id }) => id);

test('binary and structured mode of one event are one event', async () => {
  const binary = await send(
    events(),
    { x: 1 },
    {
      'ce-specversion': '1.0',
      'ce-id': 'b1',
      'ce-source': '/plants/7',
      'ce-type': 'shift.ended',
      'ce-subject': 'caf%C3%A9',
      'ce-line': '3',
    },
  );
  assert.equal(binary.status, 202, JSON.stringify(binary.body));
  const structured = {
    specversion: '1.0',
    id: 'b1',
    source: '/plants/7',
    type: 'shift.ended',
    subject: 'café',
    line: 3,
    data: { x: 1 },
  };
  const again = await send(events(), structured, { 'content-type': cloudEvent });
  assert.deepEqual([again.status, again.body.status], [200, 'duplicate']);
  const found = await get(`${events()}?source=/plants/7&id=b1`);
  assert.equal(found.body.disposition, null, 'nobody can be asked who listens');
  assert.equal(await keptAs(place.store, 'b1'), 'shift.ended of /plants/7');
});

test('a batch is answered one by one, and a conflict in it spoils nothing else', async () => {
  const one = (id: string, data: unknown) => ({ specversion: '1.0', id, source: 's', type: 't', data });
  const type = { 'content-type': 'application/cloudevents-batch+json' };
  const first = await send(events(), [one('1', 1), one('2', 2)], type);
  assert.equal(first.status, 202);
  const second = await send(events(), [one('2', 'other'), one('3', 3), one('1', 1)], type);
  assert.equal(second.status, 409);
  const statuses = second.body.events.map(({ status }: { status: string }) => status);
  assert.deepEqual(statuses, ['refused', 'accepted', 'duplicate']);
  assert.match(second.body.events[0].error, /the id "2" of s was given to another event/);
  assert.equal((await send(events(), [], type)).status, 400);
});

test('notifications of MinIO and S3 are one event a record, however often they come', async () => {
  const record = (key: string) => ({
    eventVersion: '2.0',
    eventSource: 'minio:s3',
    eventTime: '2026-01-31T10:00:00.000Z',
    eventName: 's3:ObjectCreated:Put',
    s3: {
      bucket: { name: 'flights' },
      object: { key, size: 10, eTag: 'f22d66', sequencer: '14E11E32397D42C4' },
    },
  });
  const body = {
    EventName: 's3:ObjectCreated:Put',
    Key: 'flights/a',
    Records: [record('in%2F2026+01.csv'), record('b')],
  };
  const first = await send(events(), body);
  assert.equal(first.status, 202, JSON.stringify(first.body));
  const again = await send(events(), body);
  assert.deepEqual([again.status, ids(again.body)], [200, ids(first.body)]);
  const id = ids(first.body)[0]!;
  assert.equal(await keptAs(place.store, id), 's3:ObjectCreated:Put of minio:s3');
  const aws = { Records: [{ eventName: 'ObjectCreated:Put', s3: record('x').s3 }] };
  assert.match(
    await keptAs(place.store, (await send(events(), aws)).body.id),
    /s3:ObjectCreated:Put of aws:s3/,
  );
  const bridged = {
    ...{ id: 'eb-1', source: 'aws.s3', 'detail-type': 'Object Created', time: '2026-01-31T10:00:00Z' },
    detail: { bucket: { name: 'flights' }, object: { key: 'a', size: 1, etag: 'e' } },
  };
  assert.equal((await send(events(), bridged)).body.id, 'eb-1');
});

test('forges and Jenkins are known by what they send', async () => {
  const why = async (body: unknown, headers: Record<string, string>) =>
    keptAs(place.store, (await send(events(), body, headers)).body.id);
  const push = {
    ...{ object_kind: 'push', ref: 'refs/heads/main', after: 'c0ffee' },
    project: { web_url: 'https://gitlab.example.org/fleet/delays' },
    commits: [{ added: ['a'], modified: [], removed: [], timestamp: '2026-01-01T00:00:00+01:00' }],
  };
  assert.match(
    await why(push, { 'x-gitlab-event': 'Push Hook' }),
    /com\.gitlab\.push of https:\/\/gitlab\.example\.org\/fleet\/delays$/,
  );
  const pipeline = {
    ...{
      object_kind: 'pipeline',
      object_attributes: { id: 1, status: 'success', ref: 'main', sha: 'c0ffee' },
    },
    project: { web_url: 'https://gitlab.example.org/fleet/delays' },
  };
  assert.match(await why(pipeline, { 'x-gitlab-event': 'Pipeline Hook' }), /com\.gitlab\.pipeline\.success/);
  const run = {
    ...{ action: 'completed', repository: { html_url: 'https://github.com/fleet/delays' } },
    workflow_run: { name: 'train', conclusion: 'success', head_branch: 'main', head_sha: 'c0ffee' },
  };
  assert.match(
    await why(run, { 'x-github-event': 'workflow_run' }),
    /com\.github\.workflow_run\.completed\.success/,
  );
  const build = {
    name: 'train',
    build: {
      full_url: 'http://ci.example.org/job/train/18/',
      number: 18,
      phase: 'COMPLETED',
      status: 'SUCCESS',
    },
  };
  assert.match(await why(build, {}), /io\.jenkins\.build\.success of http:\/\/ci\.example\.org\//);
});

test('what is no event is refused in one sentence that names what is wrong', async () => {
  const refused = async (status: number, sentence: RegExp, body: unknown, headers = {}) => {
    const answer = await send(events(), body, headers);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.match(answer.body.error, sentence);
  };
  const type = { 'content-type': cloudEvent };
  await refused(400, /this is no event/, {});
  await refused(400, /not JSON/, '{"a":', type);
  await refused(400, /specversion is "0.3"; it must be "1.0"/, { specversion: '0.3' }, type);
  await refused(400, /id: is missing/, { specversion: '1.0', source: 's', type: 't' }, type);
  await refused(
    400,
    /source: .*control character/,
    { specversion: '1.0', id: '1', source: 'a\nb', type: 't' },
    type,
  );
  await refused(
    400,
    /nests deeper/,
    `{"specversion":"1.0","data":${'['.repeat(500)}${']'.repeat(500)}}`,
    type,
  );
  await refused(415, /taken as application\/json/, 'a=b', {
    'content-type': 'application/x-www-form-urlencoded',
  });
  await refused(415, /taken as they are/, '{}', { 'content-encoding': 'gzip' });
  await refused(
    413,
    /at most 262144 are kept/,
    { specversion: '1.0', id: 'big', source: 's', type: 't', data: 'x'.repeat(300_000) },
    type,
  );
  // It hangs up on the rest of the body; who is still sending may see that before the answer.
  await until(() =>
    refused(413, /too large/i, 'x'.repeat(9_000_000)).then(
      () => true,
      (error: unknown) => {
        if (error instanceof TypeError) return false;
        throw error;
      },
    ),
  );
  assert.equal((await get(`${gateway.url}/nothing`)).status, 404);
  const wrong = await fetch(events(), { method: 'DELETE' });
  assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'GET, POST']);
  assert.equal((await get(`${events()}?source=s&id=never`)).status, 404);
});

test('a page of a stranger reaches nothing: neither by a simple request nor by a name of its own', async () => {
  const simple = await send(events(), '{"Records":[]}', { 'content-type': 'text/plain' });
  assert.equal(simple.status, 415);
  const { port } = new URL(gateway.url);
  const status = await new Promise<string>((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () =>
      socket.write('GET /listeners HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n'),
    );
    let text = '';
    socket.on('data', (chunk: Buffer) => void (text += chunk.toString()));
    socket.on('end', () => resolve(text.split('\r\n')[0]!)).on('error', reject);
  });
  assert.match(status, /403/);
});

test('it says what it takes, counts what came, and how it is', async () => {
  const document = await get(`${gateway.url}/openapi.json`);
  assert.equal(document.body.openapi, '3.1.0');
  for (const path of [
    '/events',
    '/labels',
    '/data/{source}',
    '/models/{model}/trigger',
    '/approvals/{model}/{n}/approve',
  ])
    assert(path in document.body.paths, path);
  const page = await get(`${gateway.url}/`);
  assert.match(page.body, /<code>\/events<\/code>/);
  assert(!/<script|src=|@import|url\(/.test(page.body), 'it fetches nothing');
  await tell(gateway.url, 'counted');
  await tell(gateway.url, 'counted');
  const metrics = (await get(`${gateway.url}/metrics`)).body as string;
  assert.match(metrics, /esteira_gateway_accepted_total\{what="events"\} [1-9]/);
  assert.match(metrics, /esteira_gateway_duplicates_total [1-9]/);
  assert.match(metrics, /esteira_gateway_refused_total\{reason="media-type"\} [1-9]/);
  assert.match(metrics, /esteira_gateway_waiting_events [1-9]/, 'nobody can be asked who listens');
  assert.deepEqual((await get(`${gateway.url}/health/live`)).body, { live: true });
});
