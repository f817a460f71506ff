// @ts-nocheck
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  direction,
  languageTag,
  localName,
  nativeName,
  readLanguages,
  searchLanguages,
} from './languages';
import { OWN_NAMES } from './ownNames';
import type { Language } from './languages';

const language = (code: string, name: string, script = 'Latn'): Language => ({
  code,
  name,
  script,
  sourceSpeech: true,
  targetText: true,
  targetSpeech: true,
});
const german = language('deu', 'German');
const spanish = language('spa', 'Spanish');
const arabic = language('arb', 'Modern Standard Arabic', 'Arab');
const urdu = language('urd', 'Urdu', 'Arab');
const hebrew = language('heb', 'Hebrew', 'Hebr');
const chinese = language('cmn_Hant', 'Mandarin Chinese', 'Hant');
const kamba = language('kam', 'Kamba');
const all = [arabic, german, hebrew, kamba, chinese, spanish, urdu];

describe('languages', () => {
  it('turns model codes into tags', () => {
    expect(languageTag('spa')).toBe('es');
    expect(languageTag('arb')).toBe('ar');
    expect(languageTag('cmn_Hant')).toBe('zh-Hant');
    expect(languageTag('not a code')).toBe('und');
  });

  it('knows native names', () => {
    expect(nativeName(german)).toBe('Deutsch');
    expect(nativeName(spanish)).toBe('Español');
    expect(nativeName(urdu)).toBe('اردو');
  });

  it('names languages in the interface language', () => {
    expect(localName(german, 'en')).toBe('German');
    expect(localName(german, 'fr')).toBe('allemand');
  });

  it('knows the direction of the script', () => {
    expect(all.filter((item) => direction(item) === 'rtl')).toEqual([arabic, hebrew, urdu]);
    expect(direction(undefined)).toBe('ltr');
  });

  it('finds by English name, native name, interface name and code', () => {
    expect(searchLanguages(all, 'germ', 'en')).toEqual([german]);
    expect(searchLanguages(all, 'deutsch', 'en')).toEqual([german]);
    expect(searchLanguages(all, 'espanol', 'en')).toEqual([spanish]);
    expect(searchLanguages(all, 'allemand', 'fr')).toEqual([german]);
    expect(searchLanguages(all, 'arabic', 'en')).toEqual([arabic]);
    expect(searchLanguages(all, 'heb', 'en')).toEqual([hebrew]);
    expect(searchLanguages(all, '', 'en')).toEqual(all);
    expect(searchLanguages(all, 'klingon', 'en')).toEqual([]);
  });

  it('puts names that begin with the text first', () => {
    const italian = language('ita', 'Italian');
    const metallic = language('xxx', 'Metaitalic');
    expect(searchLanguages([metallic, italian], 'ital', 'en')[0]).toEqual(italian);
  });

  it('has an own name for every language that a model may know', () => {
    const table = readFileSync('../seamless_server/data/languages.tsv', 'utf8').trim().split('\n');
    const codes = table.slice(1).map((row) => row.split('\t')[0] ?? '');
    expect(codes.length).toBeGreaterThan(90);
    expect(Object.keys(OWN_NAMES).sort()).toEqual(codes.sort());
    const names = Object.values(OWN_NAMES);
    expect(new Set(names).size).toBe(names.length);
  });

  it.each([
    ['farsi', 'pes'],
    ['Filipino', 'tgl'],
    ['flemish', 'nld'],
    ['traditional', 'cmn_Hant'],
    ['kiswahili', 'swh'],
  ])('finds by the name that people use: %s', (typed, code) => {
    const known = Object.keys(OWN_NAMES).map((one) => language(one, `Language ${one}`));
    expect(searchLanguages(known, typed, 'en').map((one) => one.code)).toEqual([code]);
  });

  it("finds what a person reads by the browser's languages", () => {
    const offered = ['arb', 'cmn', 'cmn_Hant', 'deu', 'nob', 'por', 'swh', 'zsm'];
    expect(readLanguages(offered, ['de-AT', 'en'])).toEqual(['deu']);
    expect(readLanguages(offered, ['en-GB', 'pt-BR', 'de'])).toEqual(['por', 'deu']);
    expect(readLanguages(offered, ['zh-TW'])).toEqual(['cmn_Hant']);
    expect(readLanguages(offered, ['zh-CN', 'zh'])).toEqual(['cmn']);
    expect(readLanguages(offered, ['ar-EG', 'sw', 'ms', 'no', 'nb'])).toEqual([
      'arb',
      'swh',
      'zsm',
      'nob',
    ]);
    expect(readLanguages(['cmn'], ['zh-HK'])).toEqual(['cmn']);
    expect(readLanguages(offered, ['tlh'])).toEqual([]);
  });
});
