/** A request that is answered with a no: an HTTP status and one sentence, as the protocol wants its errors. */
export class Refusal extends Error {
  override name = 'Refusal';
  readonly status: number;
  /** Seconds after which to ask again, for 429 and 503. */
  readonly retryAfter: number | undefined;

  constructor(status: number, sentence: string, retryAfter?: number) {
    super(sentence);
    this.status = status;
    this.retryAfter = retryAfter ?? (status === 503 ? 1 : undefined);
  }
}

/** @returns a JSON value in a few characters, for error sentences; in constant time, whatever it is */
export function shown(value: unknown): string {
  const text = brief(value, 3);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** Not JSON.stringify: a request may be 32 MB, and nested beyond what a recursion can follow. */
function brief(value: unknown, depth: number): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 41));
  if (typeof value !== 'object' || value === null) return String(value);
  if (depth === 0) return '…';
  if (Array.isArray(value))
    return `[${value
      .slice(0, 20)
      .map((one: unknown) => brief(one, depth - 1))
      .join(',')}]`;
  const parts: string[] = [];
  for (const name in value) {
    if (parts.length === 5) break;
    parts.push(`${brief(name, depth)}:${brief((value as Record<string, unknown>)[name], depth - 1)}`);
  }
  return `{${parts.join(',')}}`;
}
