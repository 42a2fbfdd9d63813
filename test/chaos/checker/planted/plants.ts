/** All breaches that are planted in evidence, in the order of their invariants. */
import { approvalPlants } from './approvals.ts';
import { effectPlants } from './effects.ts';
import { gatewayPlants } from './gateway.ts';
import { placePlants } from './places.ts';
import type { Plant } from './tools.ts';

export const plants: Plant[] = [
  ...approvalPlants,
  ...effectPlants,
  ...gatewayPlants,
  ...placePlants,
].toSorted((a, b) => Number(a.invariant.slice(1)) - Number(b.invariant.slice(1)));
