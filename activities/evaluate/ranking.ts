/** Order of rows by score, and the area under the ROC curve that follows from it. */

/**
 * Rows by falling score, of which only the order counts. Radix sort on the bits of FLOAT32: a comparison
 * sort of a million rows takes a second, and evaluation sorts often.
 *
 * @param scores finite
 */
export function byFallingScore(scores: Float32Array): Uint32Array {
  const keys = sortableBits(scores);
  let order = Uint32Array.from(scores, (_, i) => i);
  let other = new Uint32Array(scores.length);
  for (const shift of [0, 16]) {
    const starts = new Uint32Array(65_537);
    for (const key of keys) starts[((key >>> shift) & 0xffff) + 1]!++;
    for (let i = 1; i < starts.length; i++) starts[i]! += starts[i - 1]!;
    for (const row of order) other[starts[(keys[row]! >>> shift) & 0xffff]!++] = row;
    [order, other] = [other, order];
  }
  return order;
}

/** Unsigned integers in the opposite order of the floats they come from; +0 and -0 are one. */
function sortableBits(scores: Float32Array): Uint32Array {
  const plain = scores.map((score) => score + 0);
  const bits = new Uint32Array(plain.buffer);
  return bits.map((each) => (each >>> 31 ? each : ~(each | 0x80000000)));
}

/**
 * The chance that a random positive outscores a random negative, a tie counting half.
 *
 * @param labels 0 or 1
 * @returns undefined when all labels are alike
 * @see Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006), §7
 */
export function rocAuc(labels: ArrayLike<number>, scores: Float32Array): number | undefined {
  const order = byFallingScore(scores);
  let positives = 0;
  let negatives = 0;
  let pairs = 0; // positive above negative, ties half
  for (let start = 0; start < order.length;) {
    const score = scores[order[start]!]!;
    let [tiedPositives, tiedNegatives] = [0, 0];
    let end = start;
    for (; end < order.length && scores[order[end]!] === score; end++) {
      if (labels[order[end]!] === 1) tiedPositives++;
      else tiedNegatives++;
    }
    pairs += tiedNegatives * (positives + tiedPositives / 2);
    positives += tiedPositives;
    negatives += tiedNegatives;
    start = end;
  }
  return positives > 0 && negatives > 0 ? pairs / (positives * negatives) : undefined;
}
