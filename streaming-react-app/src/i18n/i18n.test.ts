import { describe, expect, it } from 'vitest';
import { UI_LANGUAGES, chooseUiLanguage, translator } from '.';
import type { Words } from '.';

const files = import.meta.glob<{ default: Words }>('./*.json', { eager: true });
const wordsOf = (language: string): Words => files[`./${language}.json`]?.default ?? {};

function flat(words: Words, prefix = ''): Record<string, string> {
  return Object.fromEntries(
    Object.entries(words).flatMap(([key, value]) =>
      typeof value === 'string'
        ? [[prefix + key, value]]
        : Object.entries(flat(value, `${prefix}${key}.`)),
    ),
  );
}

const PLURALS = ['captions.foreign', 'model.languages', 'status.listenerCount'];
const pluralOf = (key: string) => PLURALS.find((base) => key.startsWith(`${base}_`)) ?? null;
const placeholders = (text: string) => (text.match(/\{\{\w+\}\}/g) ?? []).sort();
const english = flat(wordsOf('en'));

it('has a name for every file, and a file for every name', () => {
  const names = Object.keys(files).map((path) => path.slice(2, -5));
  expect(names.sort()).toEqual(Object.keys(UI_LANGUAGES).sort());
  expect(names.length).toBeGreaterThanOrEqual(20);
});

describe.each(Object.keys(UI_LANGUAGES))('%s', (language) => {
  const other = flat(wordsOf(language));

  it('says everything that English says, and nothing else', () => {
    const keys = (words: Record<string, string>) =>
      [...new Set(Object.keys(words).map((key) => pluralOf(key) ?? key))].sort();
    expect(keys(other)).toEqual(keys(english));
    expect(Object.values(other).filter((text) => text.trim() === '')).toEqual([]);
  });

  it('has every plural form of its language', () => {
    const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
    for (const base of PLURALS) {
      const known = Object.keys(other).filter((key) => pluralOf(key) === base);
      expect(known.sort()).toEqual(forms.map((form) => `${base}_${form}`).sort());
    }
  });

  it('fills in the same values', () => {
    for (const [key, text] of Object.entries(other)) {
      const base = pluralOf(key);
      const wanted = placeholders(english[base ? `${base}_other` : key] ?? '');
      // "One" or "none" may be a word.
      const optional = base ? wanted.filter((name) => name !== '{{count}}') : wanted;
      const found = placeholders(text).filter((name) => !base || name !== '{{count}}');
      expect([key, found]).toEqual([key, optional]);
    }
  });

  it.skipIf(language === 'en')('is translated', () => {
    const long = Object.entries(other).filter(([, text]) => text.split(' ').length > 3);
    expect(long.filter(([key, text]) => english[key] === text)).toEqual([]);
  });
});

describe('chooseUiLanguage', () => {
  it('takes the first language that the interface has', () => {
    expect(chooseUiLanguage([null, 'tlh', 'fr-CA', 'de'])).toBe('fr');
    expect(chooseUiLanguage(['tlh'])).toBe('en');
  });
});

describe('translator', () => {
  const words = {
    a: { b: 'Hello {{name}}', c_one: '{{count}} word', c_few: 'few', c_other: '{{count}} words' },
  };
  type AnyKey = (key: string, fill?: Record<string, string | number>) => string;
  const say = (language: string) => translator(language, words) as unknown as AnyKey;

  it('fills in values and chooses plurals as the language does', () => {
    expect(say('en')('a.b', { name: 'Ann' })).toBe('Hello Ann');
    expect(say('en')('a.c', { count: 1 })).toBe('1 word');
    expect(say('en')('a.c', { count: 3 })).toBe('3 words');
    expect(say('pl')('a.c', { count: 3 })).toBe('few');
    expect(say('en')('a.missing')).toBe('a.missing');
  });
});
