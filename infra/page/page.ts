/** One HTML file without scripts or anything from elsewhere. */
import { html, markup } from './html.ts';
import type { Html } from './html.ts';
import { style } from './style.ts';

/** @param css beside the style that all pages share */
export function pageText({ title, css = '', body }: { title: string; css?: string; body: Html }): string {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <style>
          ${markup(style + css)}
        </style>
      </head>
      <body>
        <main>${body}</main>
      </body>
    </html>`;
  return page.html;
}
