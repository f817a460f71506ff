/** Languages by the codes of the models: names for people, tags for the browser, direction. */
// @ts-nocheck

import { COMMON_NAMES } from './commonNames';
import { OWN_NAMES } from './ownNames';

export interface Language {
  /** Three letters, as the model says it; a script may follow (`cmn_Hant`). */
  code: string;
  /** English name. */
  name: string;
  /** ISO 15924 script. */
  script: string;
  sourceSpeech: boolean;
  targetText: boolean;
  targetSpeech: boolean;
}

const RIGHT_TO_LEFT = new Set(['Arab', 'Hebr', 'Syrc', 'Thaa', 'Nkoo', 'Adlm', 'Rohg']);

/** The BCP 47 tag of a model's code: `spa` -> `es`, `cmn_Hant` -> `zh-Hant`. */
export function languageTag(code: string): string {
  try {
    return Intl.getCanonicalLocales(code.replace('_', '-'))[0] ?? code;
  } catch {
    return 'und';
  }
}

/** `rtl` for Arabic, Hebrew, Urdu and the like, by the script that the language is written in. */
export function direction(language: Pick<Language, 'script'> | undefined): 'ltr' | 'rtl' {
  return language && RIGHT_TO_LEFT.has(language.script) ? 'rtl' : 'ltr';
}

/** Language and script of a tag, each written out: `zh-TW` is `zh` in `Hant`. */
function written(tag: string): { language: string; script: string } | null {
  try {
    const { language, script } = new Intl.Locale(tag).maximize();
    return { language, script: script ?? '' };
  } catch {
    return null;
  }
}

/**
 * Those of the offered codes that a person reads, best first, from the languages that the browser
 * names: the same language in the same script, else in whichever there is.
 */
export function readLanguages(offered: readonly string[], tags: readonly string[]): string[] {
  const known = offered.map((code) => ({ code, is: written(languageTag(code)) }));
  const found = tags.flatMap((tag) => {
    const wanted = written(Intl.getCanonicalLocales(tag)[0] ?? tag);
    const same = known.filter(({ is }) => is !== null && is.language === wanted?.language);
    return [...same.filter(({ is }) => is?.script === wanted?.script), ...same].slice(0, 1);
  });
  return [...new Set(found.map(({ code }) => code))];
}

/** A language's name in another one, as the browser knows it. */
function nameIn(locale: string, tag: string): string | null {
  try {
    if (Intl.DisplayNames.supportedLocalesOf([locale]).length === 0) return null;
    return new Intl.DisplayNames([locale], { type: 'language', fallback: 'none' }).of(tag) ?? null;
  } catch {
    return null;
  }
}

/** The language's name in itself ("Deutsch"), or its English name where none is known. */
export function nativeName(language: Language): string {
  return OWN_NAMES[language.code] ?? language.name;
}

/** The language's name in the interface's language, or its English name. */
export function localName(language: Language, uiLanguage: string): string {
  if (uiLanguage === 'en') return language.name;
  return nameIn(uiLanguage, languageTag(language.code)) ?? language.name;
}

function fold(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
}

/**
 * Languages that a typed text may mean, best first: by English, native or interface name, or code.
 * A name that begins with the text comes before one that has it inside.
 */
export function searchLanguages(
  languages: readonly Language[],
  query: string,
  uiLanguage: string,
): Language[] {
  const wanted = fold(query.trim());
  if (wanted === '') return [...languages];
  const rank = (language: Language): number => {
    const names = [
      language.name,
      nativeName(language),
      localName(language, uiLanguage),
      ...(COMMON_NAMES[language.code] ?? '').split(' ').filter(Boolean),
    ].map(fold);
    if (names.some((name) => name.startsWith(wanted))) return 0;
    if (language.code.toLowerCase().startsWith(wanted)) return 1;
    if (names.some((name) => name.split(/[\s(-]+/).some((word) => word.startsWith(wanted))))
      return 2;
    return names.some((name) => name.includes(wanted)) ? 3 : 4;
  };
  return languages
    .map((language) => ({ language, rank: rank(language) }))
    .filter((item) => item.rank < 4)
    .sort((a, b) => a.rank - b.rank)
    .map((item) => item.language);
}
