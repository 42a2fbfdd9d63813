/** Preloaded into a thread of ours that is TypeScript: those of others have no use for a loader, which costs 35 MB each. */
import { register } from 'tsx/esm/api';

register();
