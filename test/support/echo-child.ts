/** A child for tests: says what it was given, then waits, busy or idle, until it is killed. */
import { readFileSync } from 'node:fs';

const [mode] = process.argv.slice(2);
const input = readFileSync(0, 'utf8');
if (mode === 'stubborn') process.on('SIGTERM', () => console.log('{"ignored":true}'));
console.log('not json');
console.log(JSON.stringify({ pid: process.pid, mode, input, word: process.env['WORD'] }));
if (mode === 'busy') for (;;) Math.random();
if (mode !== 'brief') setInterval(() => {}, 1_000);
