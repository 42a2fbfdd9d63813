/** HTML by template: what is put in is escaped, unless it is HTML made here. */

/** Text that is already HTML. */
export interface Html {
  readonly html: string;
}

type Piece = string | number | Html | readonly Html[];

export function html(parts: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
  const text = parts.map((part, i) => part + (i < pieces.length ? textOf(pieces[i]!) : ''));
  return { html: text.join('') };
}

/** Markup from a renderer of ours, such as an SVG. */
export const markup = (text: string): Html => ({ html: text });

export const nothing: Html = { html: '' };

function textOf(piece: Piece): string {
  if (typeof piece === 'number') return String(piece);
  if (typeof piece === 'string') return piece.replace(/[&<>"']/g, (sign) => entities[sign]!);
  return 'html' in piece ? piece.html : piece.map((each) => each.html).join('');
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Four significant digits: more than the intervals warrant. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  const text = size >= 1e5 || size < 1e-4 ? value.toExponential(2) : value.toPrecision(4);
  return text.replaceAll('-', '−');
}
