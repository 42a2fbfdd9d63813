/** What a trainer printed: the last lines for a failure's message, the last megabyte for the record. */

const bytesAtMost = 1_000_000;
/** Of one line: a progress bar without line ends would be one. */
const lineAtMost = 2_000;

export class TrainerLog {
  readonly #lines: string[] = [];
  #bytes = 0;

  add(line: string): void {
    const kept = line.slice(0, lineAtMost);
    this.#lines.push(kept);
    this.#bytes += kept.length + 1;
    while (this.#bytes > bytesAtMost) this.#bytes -= this.#lines.shift()!.length + 1;
  }

  /** The last lines, as far as a failure's message can carry them. */
  tail(lines = 50, characters = 3_500): string {
    return this.#lines.slice(-lines).join('\n').slice(-characters);
  }

  text(): string {
    return this.#lines.map((line) => `${line}\n`).join('');
  }
}
