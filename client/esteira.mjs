#!/usr/bin/env node
/** The `esteira` command. */
import module from 'node:module';
import { start } from '../infra/start.mjs';

module.enableCompileCache?.(); // Node 22 and newer: half the start
await start(new URL('./cli.ts', import.meta.url));
