/** Which of two versions answers a request. */
import { createHash } from 'node:crypto';

/**
 * Sticky without memory: a key always falls on the same point of [0, 1), on every replica, and the challenger has
 * the points below its share. So raising the share moves nobody out of the challenger.
 *
 * @param model so that two models' canaries do not hit the same people
 */
export function goesToChallenger(model: string, key: string, share: number): boolean {
  return pointOf(model, key) < share;
}

export function pointOf(model: string, key: string): number {
  return createHash('sha256').update(`${model}\0${key}`).digest().readUInt32BE(0) / 2 ** 32;
}
