/**
 * Load from bare sockets, `load.ts <url> <connections> <seconds> <file>`: an HTTP client would cost as much as the
 * server does, and on a small machine measure itself. One request at a time on each connection. The file holds the
 * request's headers as JSON in its first line, and its body in the rest.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

const [target, connections, seconds, file] = process.argv.slice(-4) as [string, string, string, string];
const { hostname, port, pathname } = new URL(target);
const content = readFileSync(file);
const line = content.indexOf(10);
const headers = Object.entries(JSON.parse(content.subarray(0, line).toString()) as Record<string, string>);
const body = content.subarray(line + 1);
const head = [
  `POST ${pathname} HTTP/1.1`,
  `host: ${hostname}`,
  ...headers.map(([name, value]) => `${name}: ${value}`),
  `content-length: ${body.length}`,
];
const request = Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]);
let answers = 0;

function open(): void {
  const socket = connect(Number(port), hostname, () => void socket.write(request)).setNoDelay();
  let held = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    held += text;
    const end = held.indexOf('\r\n\r\n');
    if (end === -1) return;
    const length = Number(/content-length: (\d+)/i.exec(held)?.[1]);
    if (held.length < end + 4 + length) return;
    if (!held.startsWith('HTTP/1.1 200')) throw new Error(held);
    held = '';
    answers++;
    socket.write(request);
  });
}

for (let i = 0; i < Number(connections); i++) open();
await new Promise((resolve) => setTimeout(resolve, 1_000));
answers = 0;
const from = performance.now();
await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1_000));
const rate = answers / ((performance.now() - from) / 1_000);
console.log(JSON.stringify({ event: 'done', rate }));
process.exit(0);
