/** Which retrain rules of a project an event meets. */
import { CodeChange } from '../../contracts/inbox.ts';
import type { GatewayEvent } from '../../contracts/inbox.ts';
import type { Project } from '../../contracts/project.ts';

type Rule = Project['retrain']['rules'][number];
export type EventRule = Extract<Rule, { on: 'event' | 'code-changed' }>;

/** Types that the gateway gives to pushes, whichever forge told it. */
export const pushTypes = { github: 'com.github.push', gitlab: 'com.gitlab.push' } as const;
const isPush = new Set<string>(Object.values(pushTypes));

export function eventRules(rules: readonly Rule[]): EventRule[] {
  return rules.filter((rule) => rule.on === 'event' || rule.on === 'code-changed');
}

export function meets(event: GatewayEvent, rule: EventRule): boolean {
  if (rule.on === 'event')
    return (
      fits(event.type, rule.type) && fits(event.source, rule.source) && fits(event.subject, rule.subject)
    );
  if (!isPush.has(event.type)) return false;
  const { data: change } = CodeChange.safeParse(event.data);
  if (!change || !isRepository(change.repository, rule.repository) || !fits(change.branch, rule.branch))
    return false;
  const { paths: globs } = rule;
  return globs === undefined || change.paths.some((path) => globs.some((glob) => isLike(path, glob)));
}

/** A pattern is exact, or ends in `*`; none at all fits anything. */
export function fits(value: string | undefined, pattern: string | undefined): boolean {
  if (pattern === undefined) return true;
  if (value === undefined) return false;
  return pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : value === pattern;
}

/** `fleet/delays` is `https://git.example.org/fleet/delays.git`, and so is that address itself. */
function isRepository(address: string, asked: string): boolean {
  const plain = (text: string) =>
    text
      .replace(/\.git$/, '')
      .replace(/\/+$/, '')
      .toLowerCase();
  return plain(address) === plain(asked) || plain(address).endsWith(`/${plain(asked).replace(/^\/+/, '')}`);
}

const globs = new Map<string, RegExp>();

/** `*` and `?` stay within a folder, `**` does not. */
function isLike(path: string, glob: string): boolean {
  let known = globs.get(glob);
  if (!known) {
    if (globs.size > 10_000) globs.clear();
    globs.set(glob, (known = expressionOf(glob)));
  }
  return known.test(path);
}

function expressionOf(glob: string): RegExp {
  const parts = glob.split(/(\*\*\/|\*\*|\*|\?)/).map((part) => {
    if (part === '**/') return '(?:.*/)?';
    if (part === '**') return '.*';
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    return part.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('')}$`);
}
