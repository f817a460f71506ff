/** Which lines of a transcript somebody sees: one language of each sentence. */
import type { RoomState } from '../wire/messages';
import type { Line } from './transcript';

export interface ShownLine extends Line {
  /** In another language than the wanted one, as the sentence does not exist in that. */
  foreign?: true;
}

/** The language in which a speaker's sentences are wanted; null if that is not known. */
export type WantedOf = (speakerID: string) => string | null;

/** The chosen language, or with null ("the speaker's choice") what each speaker translates into. */
export function wantedLanguage(
  language: string | null,
  room: RoomState | null,
  lines: readonly Line[],
): WantedOf {
  if (language !== null) return () => language;
  return (speakerID) => {
    const chosen = room?.members[speakerID]?.transcoder_dynamic_config?.['targetLanguage'];
    if (typeof chosen === 'string') return chosen;
    return lines.findLast((line) => line.speakerID === speakerID)?.lang ?? null;
  };
}

/** One language of each sentence: the wanted one, else the one that it was first written in. */
export function shownLines(lines: readonly Line[], wantedOf: WantedOf): ShownLine[] {
  const sentence = (line: Line) =>
    `${line.speakerID}/${String(line.stream)}/${String(line.segmentID)}`;
  const chosen = new Map<string, string>();
  const wanted = new Map<string, string | null>();
  for (const line of lines) {
    if (!wanted.has(line.speakerID)) wanted.set(line.speakerID, wantedOf(line.speakerID));
    const known = chosen.get(sentence(line));
    if (known === undefined || line.lang === wanted.get(line.speakerID)) {
      chosen.set(sentence(line), line.lang);
    }
  }
  return lines
    .filter((line) => line.lang === chosen.get(sentence(line)))
    .map((line) => {
      const language = wanted.get(line.speakerID) ?? null;
      // Lines stay the same objects, so that what did not change is not drawn again.
      return language === null || line.lang === language ? line : { ...line, foreign: true };
    });
}
