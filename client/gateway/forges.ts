/**
 * Webhooks of Git forges: pushes as `CodeChange`, anything else by its kind and how it ended, which is what a rule can ask.
 * @see https://docs.github.com/en/webhooks/webhook-events-and-payloads
 * @see https://docs.gitlab.com/user/project/integrations/webhook_events/
 */
import { z } from 'zod';
import type { CodeChange, GatewayEvent } from '../../contracts/inbox.ts';
import { Refusal } from '../../infra/refusal.ts';
import { pushTypes } from './rules.ts';

const text = z.string();
const Commit = z.object({
  added: z.array(text).default([]),
  modified: z.array(text).default([]),
  removed: z.array(text).default([]),
  timestamp: text.optional(),
});
const push = { ref: text, after: text, commits: z.array(Commit).max(2_048).default([]) };
const GithubPush = z.object({ ...push, repository: z.object({ html_url: text }) });
const GitlabPush = z.object({ ...push, project: z.object({ web_url: text }) });

/** GitHub's, and Gitea's and Forgejo's, which send the same. @param kind as X-GitHub-Event has it */
export function githubEvent(kind: string, value: unknown, id: string): GatewayEvent {
  if (kind === 'push') {
    const { repository, ...said } = parsed(GithubPush, value, 'GitHub');
    return pushEvent(pushTypes.github, repository.html_url, said, id);
  }
  const { action, repository, ...said } = parsed(GithubAny, value, 'GitHub');
  const run = said.workflow_run ?? said.check_suite ?? said.check_run;
  return other(
    ['com.github', kind, action, run?.conclusion],
    repository?.html_url ?? 'github',
    run?.name,
    id,
    {
      branch: run?.head_branch ?? undefined,
      commit: run?.head_sha,
    },
  );
}

export function gitlabEvent(value: unknown, id: string): GatewayEvent {
  const { object_kind: kind, project, object_attributes: about } = parsed(GitlabAny, value, 'GitLab');
  if (kind === 'push') {
    const { project: pushed, ...said } = parsed(GitlabPush, value, 'GitLab');
    return pushEvent(pushTypes.gitlab, pushed.web_url, said, id);
  }
  return other(
    ['com.gitlab', kind, about?.status],
    project?.web_url ?? 'gitlab',
    about?.name ?? about?.ref,
    id,
    {
      branch: about?.ref,
      commit: about?.sha,
    },
  );
}

const run = z
  .object({ name: text, conclusion: text, head_branch: text, head_sha: text })
  .partial()
  .or(z.object({}))
  .optional()
  .transform(
    (value) => value as { name?: string; conclusion?: string; head_branch?: string; head_sha?: string },
  );
const GithubAny = z.object({
  action: text.optional(),
  repository: z.object({ html_url: text }).optional(),
  ...{ workflow_run: run, check_suite: run, check_run: run },
});
const GitlabAny = z.object({
  object_kind: text,
  project: z.object({ web_url: text }).optional(),
  object_attributes: z.object({ status: text, name: text, ref: text, sha: text }).partial().optional(),
});

/** `com.github.workflow_run.completed.success` */
function other(
  words: (string | undefined)[],
  source: string,
  subject: string | undefined,
  id: string,
  data: Record<string, string | undefined>,
): GatewayEvent {
  const type = words.filter((word) => word !== undefined).join('.');
  return { id, source, type, ...(subject !== undefined && { subject }), data };
}

function pushEvent(
  type: string,
  repository: string,
  { ref, after, commits }: z.infer<z.ZodObject<typeof push>>,
  id: string,
): GatewayEvent {
  const paths = commits.flatMap(({ added, modified, removed }) => [...added, ...modified, ...removed]);
  const branch = ref.replace(/^refs\/(heads|tags)\//, '');
  const change: CodeChange = {
    repository,
    branch,
    commit: after,
    paths: [...new Set(paths)].slice(0, 5_000),
  };
  const time = commits.at(-1)?.timestamp;
  const instant = time !== undefined && !Number.isNaN(Date.parse(time)) && new Date(time).toISOString();
  return { id, source: repository, type, subject: branch, ...(instant && { time: instant }), data: change };
}

function parsed<S extends z.ZodType>(schema: S, value: unknown, forge: string): z.infer<S> {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  throw new Refusal(400, `this is no webhook of ${forge}: ${issue!.path.join('.')}: ${issue!.message}`);
}
