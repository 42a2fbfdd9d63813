/** A parent for tests: forks a busy child, tells its pid, and waits to be killed. */
import { forkModule } from '../../infra/child.ts';

const child = forkModule(new URL('./echo-child.ts', import.meta.url), { args: ['busy'], onText: () => {} });
for await (const event of child.events) console.log(JSON.stringify(event));
