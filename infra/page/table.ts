/** Tables of our pages. The first cell of a row is its name. */
import { html, nothing } from './html.ts';
import type { Html } from './html.ts';

export interface Column {
  head: string;
  /** Stands left; numbers stand right. */
  words?: boolean;
}

/** What a cell shows; with a style of its own where its colour says something that its words say, too. */
export type Cell = Html | string | number | { show: Html; style: string };

export interface Table {
  /** None: two columns, names and words. */
  columns?: readonly Column[];
  rows: readonly (readonly Cell[])[];
  caption?: string;
  /** A class of style.ts. */
  look?: string;
}

/** A heading and its table. @param note between the two */
export function tableSection(title: string, table: Table, note: Html = nothing): Html {
  return html`<section>
    <h2>${title}</h2>
    ${note}${tableOf(table)}
  </section>`;
}

export function tableOf({ columns, rows, caption, look }: Table): Html {
  const words = (i: number) => (columns ? columns[i]?.words === true : i > 0);
  const body = rows.map(([name, ...cells]) => {
    const rest = cells.map((cell, i) => cellOf(cell, words(i + 1)));
    return html`<tr>
      <th scope="row">${name === undefined ? nothing : shownOf(name)}</th>
      ${rest}
    </tr>`;
  });
  const heads = columns?.map(
    ({ head, words = false }) => html`<th scope="col" ${textual(words)}>${head}</th>`,
  );
  return html`<div class="scroll">
    <table${look === undefined ? nothing : html` class="${look}"`}>
      ${
        caption === undefined
          ? nothing
          : html`<caption>
              ${caption}
            </caption>`
      }
      ${
        heads
          ? html`<thead>
              <tr>
                ${heads}
              </tr>
            </thead>`
          : nothing
      }
      <tbody>${body}</tbody>
    </table>
  </div>`;
}

function cellOf(cell: Cell, words: boolean): Html {
  const style = isStyled(cell) ? html` style="${cell.style}"` : textual(words);
  return html`<td${style}>${shownOf(cell)}</td>`;
}

const shownOf = (cell: Cell) => (isStyled(cell) ? cell.show : cell);

const isStyled = (cell: Cell): cell is { show: Html; style: string } =>
  typeof cell === 'object' && 'show' in cell;

const textual = (words: boolean): Html => (words ? html` class="text"` : nothing);
