/**
 * The interface's words. Each language is a file of its own that loads when it is chosen; plurals
 * follow Unicode's rules (`Intl.PluralRules`): `name_one`, `name_few`, ... as the language needs.
 */
// @ts-nocheck

import { useMemo } from 'react';
import { preferences } from '../state/preferences';
import { useStore, values } from '../state/store';
import { UI_LANGUAGES, isRightToLeft } from './languages';
import type { UiLanguage } from './languages';
import type en from './en.json';

export { UI_LANGUAGES };
export type { UiLanguage };

type Leaves<T, Prefix extends string = ''> = {
  [K in keyof T & string]: T[K] extends string ? `${Prefix}${K}` : Leaves<T[K], `${Prefix}${K}.`>;
}[keyof T & string];
type WithoutPlural<K> = K extends `${infer Base}_${Intl.LDMLPluralRule}` ? Base : K;

export type Key = WithoutPlural<Leaves<typeof en>>;
export type Words = { [key: string]: string | Words };
export type Translate = (key: Key, fill?: Readonly<Record<string, string | number>>) => string;

const FILES = import.meta.glob<{ default: Words }>('./*.json');

const current = values<{ language: UiLanguage; words: Words }>({ language: 'en', words: {} });

function find(words: Words, key: string): string | undefined {
  let at: string | Words | undefined = words;
  for (const part of key.split('.')) at = typeof at === 'object' ? at[part] : undefined;
  return typeof at === 'string' ? at : undefined;
}

/** The words of a language as a function: by key, with values filled in and plurals chosen. */
export function translator(language: string, words: Words): Translate {
  const plurals = new Intl.PluralRules(language);
  return (key, fill = {}) => {
    const form = typeof fill['count'] === 'number' ? plurals.select(fill['count']) : null;
    const text =
      (form && (find(words, `${key}_${form}`) ?? find(words, `${key}_other`))) ??
      find(words, key) ??
      key;
    return text.replace(/\{\{(\w+)\}\}/g, (_whole, name: string) => String(fill[name] ?? ''));
  };
}

export function useTranslation(): { t: Translate; language: UiLanguage } {
  const { language, words } = useStore(current);
  const t = useMemo(() => translator(language, words), [language, words]);
  return { t, language };
}

/** The first language of the list that the interface has. */
export function chooseUiLanguage(wanted: readonly (string | null)[]): UiLanguage {
  for (const tag of wanted) {
    const language = tag?.split('-')[0]?.toLowerCase();
    if (language && language in UI_LANGUAGES) return language as UiLanguage;
  }
  return 'en';
}

export async function setUiLanguage(language: UiLanguage): Promise<void> {
  const words = (await FILES[`./${language}.json`]?.())?.default ?? {};
  current.setState({ language, words });
  document.documentElement.lang = language;
  document.documentElement.dir = isRightToLeft(language) ? 'rtl' : 'ltr';
}

/** As the address asks, as was chosen before, else as the browser does. */
export async function startI18n(urlLanguage: string | null): Promise<void> {
  const saved = preferences.getState().uiLanguage;
  await setUiLanguage(chooseUiLanguage([urlLanguage, saved, ...navigator.languages]));
}
