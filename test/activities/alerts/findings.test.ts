/** What a project's settings make of a tick's alerts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findingsOf, settingsOf } from '../../../activities/alerts/findings.ts';
import { AlertSettings, Sink } from '../../../contracts/alert-settings.ts';
import { Project } from '../../../contracts/project.ts';
import { project } from '../../support/stage.ts';

const settings = (change: object) => AlertSettings.parse(change);

test('severity: the key before the kind, the kind before the finding, the finding before what is usual', () => {
  const own = settings({ severity: { 'drift/x': 'info', quality: 'warning' } });
  const found = findingsOf(
    [
      { kind: 'drift', key: 'drift/x', message: '', severity: 'critical' },
      { kind: 'drift', key: 'drift/y', message: '', severity: 'critical' },
      { kind: 'drift', key: 'drift/z', message: '' },
      { kind: 'quality', key: 'quality/auc', message: '', severity: 'critical' },
      { kind: 'silence', message: '' },
    ],
    own,
  );
  assert.deepEqual(
    found.map(({ key, severity }) => [key, severity]),
    [
      ['drift/x', 'info'],
      ['drift/y', 'critical'],
      ['drift/z', 'warning'],
      ['quality/auc', 'warning'],
      ['silence', 'warning'],
    ],
  );
});

test('a runbook gets kind and key as a URL can bear them; one key is one finding', () => {
  const own = settings({ runbook: 'https://wiki.test/{kind}?of={key}' });
  const alert = { kind: 'drift' as const, key: 'drift/price in €', message: 'a'.repeat(900) };
  const [first, ...others] = findingsOf([alert, { ...alert, message: 'again' }], own);
  assert.equal(first!.runbook, 'https://wiki.test/drift?of=drift%2Fprice%20in%20%E2%82%AC');
  assert.equal(first!.message.length, 500);
  assert.deepEqual(others, []);
});

test('sinks have names of their own; the webhook of monitor is one more; the owner is the project’s', () => {
  const sinks = [
    { to: 'slack', urlSecret: 'a' },
    { to: 'slack', urlSecret: 'b' },
    { to: 'webhook', url: 'https://x.test', name: 'slack-2' },
  ];
  const given = project({ monitor: { webhook: 'https://old.test' }, alerts: { sinks } as never });
  const { owner, sinks: named, remindMs } = settingsOf(Project.parse(given));
  assert.deepEqual(
    named.map(({ name }) => name),
    ['slack', 'slack-3', 'slack-2', 'monitor-webhook'],
  );
  assert.deepEqual([owner, remindMs], ['ana', 3 * 86_400_000]);
  assert.deepEqual(
    settingsOf(Project.parse(project({ alerts: { owner: 'desk' } }))).sinks.map(({ to }) => to),
    ['log'],
  );
});

const wrong: [string, object, RegExp][] = [
  ['no address', { to: 'slack' }, /either url or urlSecret/],
  ['two addresses', { to: 'webhook', url: 'https://x.test', urlSecret: 'a' }, /either url or urlSecret/],
  ['a file', { to: 'webhook', url: 'file:///etc/passwd' }, /http/],
  ['a password', { to: 'alertmanager', url: 'https://a:b@x.test' }, /no user and password/],
  ['a user', { to: 'webhook', url: 'https://a@x.test/' }, /no user and password/],
  [
    'a secret in place of its name',
    { to: 'webhook', url: 'https://x.test', secret: 'whsec_AAAA/=' },
    /name of a secret/,
  ],
  ['mail to nobody', { to: 'email', from: 'a@x.test', recipients: [], server: 'mail' }, /1/],
];
for (const [what, sink, message] of wrong) {
  test(`a sink with ${what} is refused`, () => {
    const { error } = Sink.safeParse(sink);
    assert.match(String(error?.message), message);
  });
}

test('two sinks of one name are refused', () => {
  const one = { to: 'log', name: 'a' };
  assert.match(String(AlertSettings.safeParse({ sinks: [one, one] }).error?.message), /different names/);
});
