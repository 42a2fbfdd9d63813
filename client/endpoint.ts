/** Whether a server of predictions is alive, as a kubelet asks it: nothing is told to it, so its certificate may be anybody's. */
import { request } from 'node:http';
import { request as requestTls } from 'node:https';

/** @param origin `http://127.0.0.1:8080`. @returns the status of its answer. @throws Error when nobody answers */
export function health(origin: string): Promise<number> {
  const url = `${origin}/v2/health/live`;
  return new Promise((resolve, reject) => {
    const asked = origin.startsWith('https:') ? requestTls(url, { rejectUnauthorized: false }) : request(url);
    asked
      .on('response', (answer) => resolve(answer.resume().statusCode!))
      .on('error', reject)
      .end();
  });
}
