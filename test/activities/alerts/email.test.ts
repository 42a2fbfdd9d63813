/** Mail through a real SMTP server of this process. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { ApplicationFailure } from '@temporalio/common';
import { SMTPServer } from 'smtp-server';
import { createAlerts } from '../../../activities/alerts/index.ts';
import type { NamedSink } from '../../../contracts/alerts.ts';
import { sendMail } from '../../../infra/mail.ts';
import { delivery, opened } from '../../support/alert-delivery.ts';
import { openBench } from '../../support/stage.ts';
import type { Bench } from '../../support/stage.ts';

let bench: Bench;
let port: number;
const got: { mail: string; recipients: string[] }[] = [];
const server = new SMTPServer({
  hideSTARTTLS: true, // its certificate is its own
  authOptional: true,
  onAuth: ({ password }, _, done) =>
    password === 'right' ? done(null, { user: 'u' }) : done(new Error('no such user')),
  onRcptTo: ({ address }, _, done) => {
    const code = { 'nobody@x.test': 550, 'later@x.test': 451 }[address];
    return done(
      code === undefined ? null : Object.assign(new Error(`${address} not now`), { responseCode: code }),
    );
  },
  onData: (stream, { envelope }, done) => {
    void text(stream).then((mail) => {
      got.push({ mail, recipients: envelope.rcptTo.map(({ address }) => address) });
      done(null, 'taken');
    });
  },
});
before(async () => {
  bench = await openBench();
  await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done));
  ({ port } = server.server.address() as AddressInfo);
});
after(async () => {
  await new Promise<void>((done) => server.close(() => done()));
  await bench.close();
});

const sink = (...recipients: string[]): NamedSink => ({
  ...{ to: 'email', name: 'email', severity: 'info', from: 'Esteira <ml@x.test>', server: 'mail' },
  recipients: recipients.length > 0 ? recipients : ['ana@x.test', 'bob@x.test'],
});
const send = (
  to: NamedSink,
  address = `smtp://127.0.0.1:${port}`,
  changes?: Parameters<typeof delivery>[1],
) => {
  const outgoing = { post: () => assert.fail(), mail: sendMail, secret: () => Promise.resolve(address) };
  const { deliver } = createAlerts({
    ...bench.deps,
    books: { update: () => assert.fail(), start: () => assert.fail() },
    outgoing,
  });
  return bench.run(deliver, delivery(to, changes));
};
const unfolded = (mail: string) => mail.replaceAll(/\r\n[ \t]/g, ' ').replaceAll(/=\r\n/g, '');

test('all recipients get one mail, whose id is the same at each try', async () => {
  const { answer } = await send(sink());
  assert.match(answer, /^250 .*taken/);
  await send(sink());
  const [first, second] = got.splice(0).map((one) => ({ ...one, mail: unfolded(one.mail) }));
  assert.deepEqual(first!.recipients, ['ana@x.test', 'bob@x.test']);
  const header = (mail: string, name: string) => new RegExp(`^${name}: (.*)\r$`, 'm').exec(mail)?.[1];
  assert.equal(
    header(first!.mail, 'Subject'),
    '[warning] m: opened: x has drifted: PSI 0.412, alert from 0.2',
  );
  assert.match(header(first!.mail, 'Message-ID') ?? '', /^<[0-9a-f]{32}@esteira>$/);
  assert.equal(header(second!.mail, 'Message-ID'), header(first!.mail, 'Message-ID'));
  assert.equal(header(first!.mail, 'References'), '<alert.m.1@esteira>');
  assert.equal(header(first!.mail, 'Auto-Submitted'), 'auto-generated');
  assert.match(first!.mail, /opened, warning, drift\/x: x has drifted/);
  assert.match(first!.mail, /https:\/\/wiki.test\/drift/);
});

test('a name of a column cannot add a header', async () => {
  await send(sink(), undefined, [opened({ message: 'x\r\nBcc: eve@x.test\r\n\r\nhello' })]);
  const [{ mail, recipients }] = got.splice(0) as [(typeof got)[number]];
  assert.deepEqual(recipients, ['ana@x.test', 'bob@x.test']);
  assert.doesNotMatch(mail.split('\r\n\r\n')[0]!, /^Bcc:/m);
});

test('"never" is for good, "not now" and a wrong password are tried again, and nobody down is said so', async () => {
  const failed = async (to: NamedSink, address?: string) => {
    const error: unknown = await send(to, address).then(
      () => assert.fail('it was sent'),
      (caught: unknown) => caught,
    );
    return { final: error instanceof ApplicationFailure && error.nonRetryable === true, said: String(error) };
  };
  const never = await failed(sink('nobody@x.test'));
  assert.match(`${never.final} ${never.said}`, /^true .*email answered 550/);
  assert.equal((await failed(sink('later@x.test'))).final, false);
  const locked = await failed(sink(), `smtp://u:wrong-word@127.0.0.1:${port}`);
  assert.equal(locked.final, false);
  assert.doesNotMatch(locked.said, /wrong-word/);
  assert.match((await failed(sink(), 'smtp://127.0.0.1:1')).said, /ECONNREFUSED/);
  assert.match((await failed(sink(), 'https://x.test')).said, /must be smtp:\/\/… or smtps:\/\/…/);
});

test('some recipients that are refused do not keep the others from it', async () => {
  const { answer } = await send(sink('ana@x.test', 'nobody@x.test'));
  assert.match(answer, /; not to nobody@x.test$/);
});
