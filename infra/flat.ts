/** A nested value as one scalar a name: how parameters are listed, compared and handed to a tracking server. */

export type Scalar = string | number | boolean;

/** Members of members by dotted names, lists as JSON. Null counts as not given. */
export function flat(value: Record<string, unknown>, prefix = ''): Record<string, Scalar> {
  const pairs = Object.entries(value).flatMap(([name, member]): [string, Scalar][] => {
    if (member === null || member === undefined) return [];
    if (Array.isArray(member)) return [[prefix + name, JSON.stringify(member)]];
    if (typeof member === 'object') {
      return Object.entries(flat(member as Record<string, unknown>, `${prefix}${name}.`));
    }
    return [[prefix + name, member as Scalar]];
  });
  return Object.fromEntries(pairs);
}
