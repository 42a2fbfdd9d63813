/** What a lock of Python packages must be for the same lock to make the same environment: every version exact. */

export interface RequirementFault {
  line: number;
  sentence: string;
}

/** Options that say where packages come from, and not which. */
const sources =
  /^(--no-index|--(extra-)?index-url|--find-links|-f|-i|--no-binary|--only-binary|--require-hashes|--prefer-binary)\b/;
const pinned = /^[A-Za-z0-9][A-Za-z0-9._-]*(\[[^\]]*\])?\s*===?\s*[^*\s;]+(\s*;.*)?$/;

/** @see PEP 508, and pip's requirements file format */
export function unpinned(lock: string): RequirementFault[] {
  const faults: RequirementFault[] = [];
  let continues = false;
  for (const [at, raw] of lock.split(/\r?\n/).entries()) {
    const text = raw.replace(/(^|\s)#.*$/, '').trim();
    const inner = continues;
    continues = text.endsWith('\\');
    const words = text
      .replace(/\\$/, '')
      .replaceAll(/--hash=\S+/g, '')
      .trim();
    if (words === '' || inner || sources.test(words) || pinned.test(words)) continue;
    const said = `"${text.slice(0, 100)}" has no exact version; write name==1.2.3 (\`pip freeze\` prints such lines)`;
    faults.push({ line: at + 1, sentence: said });
  }
  return faults;
}
