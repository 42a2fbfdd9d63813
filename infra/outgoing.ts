/**
 * HTTP to receivers that a project names: bounded in time and bytes, without redirects, and never to an address that
 * tells a cloud's secrets to whoever asks. The address is looked at where the connection is made, so that a name which
 * resolves to another one the second time gains nothing.
 */
import { lookup as resolve } from 'node:dns';
import type { LookupAddress } from 'node:dns';
import { request as requestHttp } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { BlockList, isIP } from 'node:net';
import type { LookupFunction } from 'node:net';

export interface Answered {
  status: number;
  retryAfter: string | undefined;
  /** At most its first 2 KiB. */
  text: string;
}

const patienceMs = 20_000;
const textBytes = 2_048;

/** Link-local with the metadata of most clouds, those of others, nowhere, and everybody. */
const barred = new BlockList();
barred.addSubnet('169.254.0.0', 16, 'ipv4');
barred.addSubnet('0.0.0.0', 8, 'ipv4');
barred.addSubnet('224.0.0.0', 3, 'ipv4');
barred.addAddress('100.100.100.200', 'ipv4');
barred.addAddress('168.63.129.16', 'ipv4');
barred.addSubnet('fe80::', 10, 'ipv6');
barred.addSubnet('ff00::', 8, 'ipv6');
barred.addAddress('fd00:ec2::254', 'ipv6');
barred.addAddress('::', 'ipv6');

/**
 * @param allowed addresses that may be gone to although they are barred
 * @throws a plain Error that names the host alone: the rest of a URL may be a secret
 */
export function postTo(
  url: URL,
  body: string,
  headers: Record<string, string>,
  allowed: readonly string[] = [],
): Promise<Answered> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  // A literal address is never looked up.
  if (isIP(host) !== 0 && isBarred(host, allowed)) return Promise.reject(new Error(barredText(host, host)));
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((taken, failed) => {
    const sent = request(
      url,
      {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'user-agent': 'esteira',
          ...headers,
        },
        lookup: guarded(allowed),
        agent: false, // one message now and then keeps no connection
        signal: AbortSignal.timeout(patienceMs),
      },
      (response) => answered(response).then(taken, failed),
    );
    sent.on('error', (error) =>
      failed(new Error(`${url.host} cannot be reached: ${error.message}`, { cause: error })),
    );
    sent.end(body);
  });
}

async function answered(response: IncomingMessage): Promise<Answered> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    pieces.push(piece);
    bytes += piece.byteLength;
    if (bytes >= textBytes) break; // which ends the connection
  }
  return {
    status: response.statusCode ?? 0,
    retryAfter: response.headers['retry-after'],
    text: Buffer.concat(pieces).subarray(0, textBytes).toString(),
  };
}

/** @param resolver the system's, but in tests */
export function guarded(allowed: readonly string[], resolver: typeof resolve = resolve): LookupFunction {
  return (host, options, done) => {
    resolver(host, { ...options, all: true }, (error, found: LookupAddress[]) => {
      const bad = found?.find(({ address }) => isBarred(address, allowed));
      if (error || !found?.[0]) done(error ?? new Error(`${host} has no address`), '', 0);
      else if (bad) done(new Error(barredText(host, bad.address)), '', 0);
      else if (options.all) done(null, found);
      else done(null, found[0].address, found[0].family);
    });
  };
}

function isBarred(address: string, allowed: readonly string[]): boolean {
  if (allowed.includes(address)) return false;
  return barred.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

const barredText = (host: string, address: string): string =>
  `${host} is ${address}, an address that alerts may not go to; ESTEIRA_ALERT_ALLOW=${address} allows it`;
