/** Outgoing HTTP, bounded in time. */

/** @throws a plain Error when the answer is not 2xx or does not come within 10 s, so that it is tried again. */
export async function postJson(url: string, body: unknown): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    redirect: 'error', // a webhook that moves is a webhook to look at
    signal: AbortSignal.timeout(10_000),
  });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`${new URL(url).host} answered ${response.status}`);
}
