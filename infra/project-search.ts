/** What is wrong with a project's search: told before a hundred trainings fail of it. */
import type { Project } from '../contracts/project.ts';
import { gridValues, Trainer, trialsOf } from '../contracts/training.ts';
import type { Dimension } from '../contracts/training.ts';
import { didYouMean } from './nearest.ts';
import { faultAt } from './project-faults.ts';
import type { ProjectText } from './project-faults.ts';

/** Of the embedded trainer. Class weights are part of the prepared data, which all trials share. */
const searched = ['hidden', 'epochs', 'batchSize', 'learningRate', 'l2', 'patience', 'seed'];
const trialsAtMost = 10_000;

export function searchFaults({ search, trainer }: Project, text: ProjectText): string[] {
  if (!search) return [];
  const faults: string[] = [];
  for (const [name, dimension] of Object.entries(search.space)) {
    const path = ['search', 'space', name];
    if (search.method === 'grid' && !gridValues(dimension)) {
      faults.push(faultAt(text, path, 'has no end of values on a grid; give it values, or a step', 'key'));
    }
    if (trainer.backend !== 'onnx') continue;
    if (!searched.includes(name)) {
      const known = `${didYouMean(name, searched)}; known: ${searched.join(', ')}`;
      faults.push(
        faultAt(text, path, `is no parameter of the onnx trainer that can be searched${known}`, 'key'),
      );
      continue;
    }
    for (const value of ends(dimension)) {
      const { error } = Trainer.safeParse({ ...trainer, [name]: value });
      const [issue] = error?.issues ?? [];
      if (issue)
        faults.push(faultAt(text, path, `may become ${JSON.stringify(value)}; ${issue.message}`, 'key'));
    }
  }
  if (faults.length === 0 && trialsOf(search) > trialsAtMost) {
    faults.push(
      faultAt(
        text,
        ['search', 'space'],
        `makes a grid of ${trialsOf(search)} points; at most ${trialsAtMost}`,
        'key',
      ),
    );
  }
  return faults;
}

/** All values of a choice, both ends of a range. */
function ends(dimension: Dimension): unknown[] {
  return 'values' in dimension ? dimension.values : [dimension.min, dimension.max];
}
