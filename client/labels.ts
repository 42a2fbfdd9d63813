/** A file of labels, read before anything is sent: a bad line must not leave half of them taken. */
import { z } from 'zod';
import { Label } from '../contracts/serving.ts';

/** @throws Error naming the first label that is none, and what one looks like */
export function labelsIn(value: unknown, file: string): Label[] {
  const { data, error } = z.array(Label).min(1).safeParse(value);
  if (data) return data;
  const [first] = error.issues;
  const [index, ...field] = first!.path;
  const where = index === undefined ? '' : `: [${[`${String(index)}]`, ...field].join('.')}`;
  throw new Error(
    `${file}${where}: ${first!.message}; labels are [{"id": "…", "label": 1, "time": "2001-02-01T06:00:00Z"}, …]`,
  );
}
