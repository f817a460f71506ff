/** A transcript as a file: TXT, SRT, VTT, JSON. Names appear when there is more than one speaker. */
import type { Cue } from './cues';
import { cues } from './cues';
import { streamKey } from './transcript';
import type { Line, Transcript } from './transcript';

export type TextFormat = 'txt' | 'srt' | 'vtt' | 'json';
export type NameOf = (speakerID: string) => string;

export const MIME: Record<TextFormat, string> = {
  txt: 'text/plain;charset=utf-8',
  srt: 'application/x-subrip;charset=utf-8',
  vtt: 'text/vtt;charset=utf-8',
  json: 'application/json',
};

function clock(milliseconds: number, separator: string): string {
  const pad = (value: number, width: number) => String(Math.floor(value)).padStart(width, '0');
  const hours = pad(milliseconds / 3_600_000, 2);
  const minutes = pad((milliseconds / 60_000) % 60, 2);
  const seconds = pad((milliseconds / 1000) % 60, 2);
  return `${hours}:${minutes}:${seconds}${separator}${pad(milliseconds % 1000, 3)}`;
}

const span = (cue: Cue, separator: string): string =>
  `${clock(cue.startMs, separator)} --> ${clock(cue.endMs, separator)}`;

/** Within a cue, markup characters are text, and an empty line would end it. */
function vttText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/\s*\n\s*/g, ' ');
}

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, ' ').trim();

/** Time of day at which a sentence began, where it is known. */
export function saidAt(transcript: Transcript, line: Line): string {
  const origin = transcript.origins[streamKey(line)];
  const start = line.pieces[0]?.startMs;
  if (origin === undefined || start === undefined || line.key.startsWith('history/')) return '';
  return new Date(origin + start).toTimeString().slice(0, 8);
}

/** Each sentence in every language that there is, one below the other. */
export function bilingual(
  transcript: Transcript,
  name: NameOf,
  noteOf: (line: Line) => string = () => '',
): string {
  const sentences = new Map<string, Line[]>();
  for (const line of transcript.lines) {
    const key = `${line.speakerID}/${String(line.stream)}/${String(line.segmentID)}`;
    sentences.set(key, [...(sentences.get(key) ?? []), line]);
  }
  return [...sentences.values()]
    .map((all) => {
      const languages = [...new Set(all.map((line) => line.lang))].sort();
      const rows = languages.map((lang) => {
        const text = all
          .filter((line) => line.lang === lang)
          .map((line) => oneLine(line.text) + noted(noteOf(line)));
        return `[${lang}] ${text.join(' ')}\n`;
      });
      const [first] = all;
      const head = first ? [saidAt(transcript, first), oneLine(name(first.speakerID))] : [];
      return `${head.filter(Boolean).join(' ')}\n${rows.join('')}`;
    })
    .join('\n');
}

const noted = (note: string): string => note && ` [${note}]`;

/** `heading` (the room and the date) stands above a TXT or VTT, a line's note behind it. */
export function formatTranscript(
  transcript: Transcript,
  format: TextFormat,
  name: NameOf,
  heading?: string,
  noteOf: (line: Line) => string = () => '',
): string {
  const several = new Set(transcript.lines.map((line) => line.speakerID)).size > 1;
  const prefix = (speakerID: string) => (several ? `${oneLine(name(speakerID))}: ` : '');
  switch (format) {
    case 'txt':
      return [
        ...(heading ? [`${heading}\n\n`] : []),
        ...transcript.lines
          .filter((line) => line.text !== '')
          .map((line) => {
            const time = heading ? saidAt(transcript, line) : '';
            const text = `${prefix(line.speakerID)}${oneLine(line.text)}`;
            return `${time && `${time} `}${text}${noted(noteOf(line))}\n`;
          }),
      ].join('');
    case 'srt':
      return cues(transcript)
        .map(
          (cue, i) =>
            `${String(i + 1)}\n${span(cue, ',')}\n${prefix(cue.speakerID)}${oneLine(cue.text)}\n`,
        )
        .join('\n');
    case 'vtt':
      return [
        'WEBVTT\n',
        ...(heading ? [`NOTE ${vttText(heading)}\n`] : []),
        ...cues(transcript).map((cue) => {
          const voice = several ? `<v ${vttText(name(cue.speakerID))}>` : '';
          return `${span(cue, '.')}\n${voice}${vttText(cue.text.trim())}\n`;
        }),
      ].join('\n');
    case 'json':
      return `${JSON.stringify(
        cues(transcript).map(({ line, ...cue }) => ({
          ...cue,
          speaker: name(cue.speakerID),
          time: saidAt(transcript, line),
          note: noteOf(line),
        })),
        null,
        2,
      )}\n`;
  }
}
