/**
 * Events from bare sockets, `gateway-load.ts <url> <connections> <seconds> <token> <prefix>`: one at a time on each connection,
 * each with an id of its own, in binary mode. Counts those that were answered by 202, and how long each took.
 */
import { connect } from 'node:net';

const [target, connections, seconds, token, prefix] = process.argv.slice(-5) as [
  string,
  string,
  string,
  string,
  string,
];
const { hostname, port } = new URL(target);
const body = JSON.stringify({
  line: 7,
  units: 412,
  note: 'a hundred bytes or so, as an event of a machine has them',
  ok: true,
});
const head = [
  'POST /events HTTP/1.1',
  `host: ${hostname}`,
  `authorization: Bearer ${token}`,
  'content-type: application/json',
  'ce-specversion: 1.0',
  'ce-source: plant/7',
  'ce-type: shift.ended',
  `content-length: ${body.length}`,
].join('\r\n');
const ms: number[] = [];
let sent = 0;
let measuring = false;

function open(): void {
  let at = 0;
  let held = '';
  const socket = connect(Number(port), hostname, () => ask()).setNoDelay();
  const ask = (): void => {
    at = performance.now();
    socket.write(`${head}\r\nce-id: ${prefix}-${++sent}\r\n\r\n${body}`);
  };
  socket.setEncoding('latin1').on('data', (text: string) => {
    held += text;
    const end = held.indexOf('\r\n\r\n');
    if (end === -1 || held.length < end + 4 + Number(/content-length: (\d+)/i.exec(held)?.[1])) return;
    if (!held.startsWith('HTTP/1.1 202')) throw new Error(held);
    held = '';
    if (measuring) ms.push(performance.now() - at);
    ask();
  });
}

for (let i = 0; i < Number(connections); i++) open();
await new Promise((resolve) => setTimeout(resolve, 1_000));
measuring = true;
const from = performance.now();
await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1_000));
const rate = ms.length / ((performance.now() - from) / 1_000);
ms.sort((a, b) => a - b);
const at = (share: number) => ms[Math.floor(ms.length * share)]!;
console.log(JSON.stringify({ event: 'done', rate, p50: at(0.5), p99: at(0.99) }));
process.exit(0);
