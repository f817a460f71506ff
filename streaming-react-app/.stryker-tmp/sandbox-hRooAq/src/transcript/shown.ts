/** Which lines of a transcript somebody sees: one language of each sentence, and what was heard. */
// @ts-nocheck

import type { RoomState } from '../wire/messages';
import type { Line } from './transcript';

export interface ShownLine extends Line {
  /** In another language than the wanted one, as the sentence does not exist in that. */
  foreign?: true;
  /** What was heard of the sentence, where it is wanted and known. */
  heard?: { lang: string; text: string };
}

/** A language by speaker; null if that is not known. */
export type LanguageOf = (speakerID: string) => string | null;

const configOf = (room: RoomState | null, speakerID: string, name: string): string | null => {
  const value = room?.members[speakerID]?.transcoder_dynamic_config?.[name];
  return typeof value === 'string' ? value : null;
};

/** The chosen language, or with null ("the speaker's choice") what each speaker translates into. */
export function wantedLanguage(
  language: string | null,
  room: RoomState | null,
  lines: readonly Line[],
): LanguageOf {
  if (language !== null) return () => language;
  return (speakerID) =>
    configOf(room, speakerID, 'targetLanguage') ??
    lines.findLast((line) => line.speakerID === speakerID)?.lang ??
    null;
}

/** What each speaker says it speaks. */
export const spokenLanguage =
  (room: RoomState | null): LanguageOf =>
  (speakerID) =>
    configOf(room, speakerID, 'sourceLanguage');

const sentenceOf = (line: Line) =>
  `${line.speakerID}/${String(line.stream)}/${String(line.segmentID)}`;

/**
 * One language of each sentence: the wanted one, else the one that it was first written in. What was
 * heard stands with it, in its first line, and does not count as a translation; until there is one
 * it stands alone.
 */
export function shownLines(
  lines: readonly Line[],
  wantedOf: LanguageOf,
  heardOf: LanguageOf = () => null,
): ShownLine[] {
  const chosen = new Map<string, string>();
  const heard = new Map<string, { lang: string; text: string }>();
  const wanted = new Map<string, string | null>();
  const isHeard = (line: Line) =>
    line.lang === heardOf(line.speakerID) && line.lang !== wanted.get(line.speakerID);
  for (const line of lines) {
    if (!wanted.has(line.speakerID)) wanted.set(line.speakerID, wantedOf(line.speakerID));
    const sentence = sentenceOf(line);
    if (isHeard(line)) {
      const before = heard.get(sentence);
      const text = before ? `${before.text} ${line.text}` : line.text;
      heard.set(sentence, { lang: line.lang, text });
      continue;
    }
    if (!chosen.has(sentence) || line.lang === wanted.get(line.speakerID)) {
      chosen.set(sentence, line.lang);
    }
  }
  const told = new Set<string>();
  return lines.flatMap((line): ShownLine[] => {
    const sentence = sentenceOf(line);
    const source = heard.get(sentence);
    const only = !chosen.has(sentence);
    if (only ? told.has(sentence) : line.lang !== chosen.get(sentence)) return [];
    const first = !told.has(sentence);
    told.add(sentence);
    if (only) return source ? [{ ...line, text: '', pieces: [], freshFrom: 0, heard: source }] : [];
    const language = wanted.get(line.speakerID) ?? null;
    const foreign = language !== null && line.lang !== language;
    // Lines stay the same objects, so that what did not change is not drawn again.
    if (!foreign && (!first || !source)) return [line];
    return [
      {
        ...line,
        ...(foreign ? { foreign: true as const } : {}),
        ...(first && source ? { heard: source } : {}),
      },
    ];
  });
}
