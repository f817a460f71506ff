/** The server's REST side, as far as the page uses it. What does not fit is left out. */
import type { Language } from '../languages/languages';
import { serverPath } from './serverAddress';

/** A phrase that the served model understands. */
export interface Phrase {
  text: string;
  /** By language code. */
  translations: Record<string, string>;
}

/** A recording to try. */
export interface Clip {
  name: string;
  url: string;
  /** The model that it comes with. */
  model: string;
  text: string;
  /** By language code. */
  translations: Record<string, string>;
}

/** Something that a speaker may ask of its stream, within this server's range. */
export interface StreamOption {
  name: string;
  low: number | null;
  high: number | null;
  default: unknown;
}

export interface Readiness {
  ready: boolean;
  /** What is being done, in the server's words. */
  step: string;
  model: string;
  error: string | null;
}

type Raw = Record<string, unknown>;

const isRaw = (value: unknown): value is Raw => typeof value === 'object' && value !== null;
const asText = (value: unknown): string => (typeof value === 'string' ? value : '');
const asRows = (value: unknown): Raw[] => (Array.isArray(value) ? value.filter(isRaw) : []);

async function getJson(url: string, alsoWith?: number): Promise<unknown> {
  const response = await fetch(url, { headers: { accept: 'application/json' } });
  if (!response.ok && response.status !== alsoWith) {
    throw new Error(`${String(response.status)} ${response.statusText}`);
  }
  return response.json();
}

export async function fetchLanguages(base: string): Promise<Language[]> {
  const rows = asRows(await getJson(serverPath(base, 'api/languages')));
  return rows.map((row) => ({
    code: asText(row['code']),
    name: asText(row['name']),
    script: asText(row['script']),
    sourceSpeech: row['source'] === true,
    targetText: row['text'] === true,
    targetSpeech: row['speech'] === true,
  }));
}

/** What stands under three-letter codes of languages. */
function translationsOf(row: Raw): Record<string, string> {
  const entries = Object.entries(row).filter(
    (entry): entry is [string, string] =>
      /^[a-z]{3}(_[A-Z][a-z]{3})?$/.test(entry[0]) && typeof entry[1] === 'string',
  );
  return Object.fromEntries(entries);
}

/** Translations stand under `translations` or beside the text. */
function phraseOf(row: Raw): Phrase {
  const nested = row['translations'];
  const translations = translationsOf({ ...row, ...(isRaw(nested) ? nested : {}) });
  return { text: asText(row['text']) || (translations['eng'] ?? ''), translations };
}

export async function fetchPhrases(base: string): Promise<Phrase[]> {
  const rows = asRows(await getJson(serverPath(base, 'api/phrases')));
  return rows.map(phraseOf).filter((phrase) => phrase.text !== '');
}

export async function fetchClips(base: string): Promise<Clip[]> {
  const rows = asRows(await getJson(serverPath(base, 'api/samples')));
  return rows.map((row) => ({
    name: asText(row['name']),
    url: serverPath(base, asText(row['url'])),
    model: asText(row['model']),
    text: asText(row['text']),
    translations: isRaw(row['translations']) ? translationsOf(row['translations']) : {},
  }));
}

const asNumber = (value: unknown): number | null => (typeof value === 'number' ? value : null);

export async function fetchOptions(base: string): Promise<StreamOption[]> {
  const rows = asRows(await getJson(serverPath(base, 'api/options')));
  return rows.map((row) => ({
    name: asText(row['name']),
    low: asNumber(row['low']),
    high: asNumber(row['high']),
    default: row['default'],
  }));
}

/** Answers also while the models load (with status 503). */
export async function fetchReadiness(base: string): Promise<Readiness> {
  const body = await getJson(serverPath(base, 'readyz'), 503);
  const row = isRaw(body) ? body : {};
  return {
    ready: row['ready'] === true,
    step: asText(row['step']),
    model: asText(row['model']),
    error: asText(row['error']) || null,
  };
}

/** Where others reach the server, if it knows. */
export async function fetchAddress(base: string): Promise<string | null> {
  const body = await getJson(serverPath(base, 'api/address'));
  return (isRaw(body) && asText(body['url'])) || null;
}
