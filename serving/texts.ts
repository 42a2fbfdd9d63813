/** Which texts are taken: those that arrive at the model, and in the log, as they were sent. */

/** Of one text: more is no category, and the log keeps each. */
export const maxTextLength = 65_536;

export const textWords = `a string of at most ${maxTextLength} characters, without NUL or half a surrogate pair`;

/** The runtime ends a text at NUL, and half a pair has no UTF-8: the log could not hold its row. */
// oxlint-disable-next-line no-control-regex -- NUL is what is looked for
export const isWhole = (text: string): boolean => !/[\0\p{Surrogate}]/u.test(text);

export const isText = (value: unknown): boolean =>
  typeof value === 'string' && value.length <= maxTextLength && isWhole(value);
