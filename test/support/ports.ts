/**
 * Settings of a stack of tests: it listens where nobody else wishes to. A process that is killed and started again would
 * find another stack at a port that all wish for, and whoever asks it would be answered by a stranger.
 */
export const anyPorts = {
  ESTEIRA_TEMPORAL_PORT: '0',
  ESTEIRA_SERVING_PORT: '0',
  ESTEIRA_GATEWAY_PORT: '0',
} as const;
