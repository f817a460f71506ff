/** What this person noted about sentences: kept in this tab, and written into what is saved. */
// @ts-nocheck

import { values } from '../state/store';

export interface Mark {
  bookmarked?: true;
  wrong?: true;
}

const KEY = 'seamless.marks';

function stored(): Record<string, Mark> {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? '{}') as Record<string, Mark>;
  } catch {
    return {};
  }
}

export const marks = values<{ byLine: Record<string, Mark> }>({ byLine: stored() });

/** Sets a mark on a line, or takes it away. */
export function toggleMark(key: string, name: keyof Mark): void {
  marks.setState(({ byLine }) => {
    const { [name]: was, ...others } = byLine[key] ?? {};
    return { byLine: { ...byLine, [key]: was ? others : { ...others, [name]: true } } };
  });
}

marks.subscribe(({ byLine }) => {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(byLine));
  } catch {
    // Private windows may refuse: the marks then last as long as the page.
  }
});
