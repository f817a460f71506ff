import { describe, expect, it } from 'vitest';
import { chooseUiLanguage } from '.';
import de from './de.json';
import en from './en.json';
import es from './es.json';
import fr from './fr.json';

type Words = { [key: string]: string | Words };

function flat(words: Words, prefix = ''): Record<string, string> {
  return Object.fromEntries(
    Object.entries(words).flatMap(([key, value]) =>
      typeof value === 'string'
        ? [[prefix + key, value]]
        : Object.entries(flat(value, `${prefix}${key}.`)),
    ),
  );
}

const placeholders = (text: string) => (text.match(/\{\{\w+\}\}/g) ?? []).sort();
const english = flat(en);

describe.each([
  ['es', es],
  ['fr', fr],
  ['de', de],
])('%s', (_language, words: Words) => {
  const other = flat(words);

  it('says everything that English says, and nothing else', () => {
    expect(Object.keys(other).sort()).toEqual(Object.keys(english).sort());
  });

  it('fills in the same values', () => {
    for (const [key, text] of Object.entries(other)) {
      expect([key, placeholders(text)]).toEqual([key, placeholders(english[key] ?? '')]);
    }
  });

  it('is translated', () => {
    const long = Object.entries(other).filter(([, text]) => text.split(' ').length > 3);
    expect(long.filter(([key, text]) => english[key] === text)).toEqual([]);
  });
});

describe('chooseUiLanguage', () => {
  it('takes the first language that the interface has', () => {
    expect(chooseUiLanguage([null, 'pt-BR', 'fr-CA', 'de'])).toBe('fr');
    expect(chooseUiLanguage(['ja'])).toBe('en');
  });
});
