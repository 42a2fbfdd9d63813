#!/usr/bin/env node
/**
 * The `esteira` command. Registers tsx, so that the TypeScript beside it runs as it stands, then hands over.
 */
import module from 'node:module';
import { register } from 'tsx/esm/api';

module.enableCompileCache?.(); // Node 22 and newer: half the start
register();
await import('./cli.ts');
