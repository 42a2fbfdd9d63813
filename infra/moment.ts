/** Times as people, pandas and MLflow's clients write them. */

const form = /^(\d{4}-\d\d-\d\d)([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)? ?(Z|[+-]\d\d:?\d\d)?)?$/i;

/**
 * Milliseconds since 1970 of `2001-02-01`, `2001-02-01 17:30` or `2001-02-01T17:30:00.5+02:00`: without a zone in UTC, as in
 * the data. @returns undefined for all else
 */
export function millisecondsOf(text: string): number | undefined {
  const [matches, day, clock, , , zone] = form.exec(text) ?? [];
  if (matches === undefined || !isDay(day!)) return undefined;
  const time = Date.parse(`${text.replace(' ', 'T').replace(' ', '')}${clock && !zone ? 'Z' : ''}`);
  return Number.isNaN(time) ? undefined : time;
}

/** JavaScript takes a 30th of February for the 2nd of March. */
function isDay(day: string): boolean {
  const time = Date.parse(day);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(day);
}
