#!/usr/bin/env node
/**
 * The `esteira` command. Registers tsx, so that the TypeScript beside it runs as it stands, then hands over.
 */
import { register } from 'tsx/esm/api';

register();
await import('./cli.ts');
