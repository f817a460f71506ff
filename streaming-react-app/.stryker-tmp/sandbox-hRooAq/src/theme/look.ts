/** Puts the tokens of a look where the stylesheets find them. */
// @ts-nocheck

import { TOKENS } from './tokens';
import type { Look } from './tokens';

export function applyLook(look: Look): void {
  const root = document.documentElement;
  for (const [name, value] of Object.entries(TOKENS[look])) {
    root.style.setProperty(`--${name}`, value);
  }
  root.dataset['look'] = look;
  root.style.colorScheme = look === 'light' ? 'light' : 'dark';
  document.querySelector('meta[name="theme-color"]')?.setAttribute('content', TOKENS[look].ground);
}
