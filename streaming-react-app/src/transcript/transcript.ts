/** What was said so far, as lines that only ever grow. Pure functions over plain data. */
import type { NotUnderstood, TranscriptSentence, TranslationText } from '../wire/messages';

/** A piece as it came: its text and the stretch of the speaker's audio that it covers. */
export interface Piece {
  text: string;
  startMs: number;
  endMs: number;
  /** The model was not sure of the sentence up to here. */
  unsure?: true;
}

/** The confidence below which a speaker's model is more often wrong than right. */
export type SureFrom = (speakerID: string) => number;

const HALF: SureFrom = () => 0.5;

const unsure = ({ confidence, speakerID }: Heard, sureFrom: SureFrom) =>
  typeof confidence === 'number' && confidence < sureFrom(speakerID)
    ? { unsure: true as const }
    : {};

type Heard = Pick<TranslationText | TranscriptSentence, 'confidence' | 'speakerID'>;

export interface Line {
  key: string;
  speakerID: string;
  /** Counts a speaker's streams: segment numbers begin anew with each. */
  stream: number;
  segmentID: number;
  lang: string;
  pieces: Piece[];
  text: string;
  /** Where the newest piece begins in `text`. */
  freshFrom: number;
  finished: boolean;
  /** The rest of the sentence was not understood. */
  lost?: true;
}

type Last = Pick<TranslationText, 'seq' | 'segmentID' | 'startMs' | 'endMs'>;

export interface Transcript {
  lines: Line[];
  /** Speaker -> the number of its stream and the last message of each language. */
  streams: Record<string, { number: number; last: Record<string, Last> }>;
  /** `speaker/stream` -> time of day at which that stream's audio began, where it is known. */
  origins: Record<string, number>;
}

export const EMPTY_TRANSCRIPT: Transcript = { lines: [], streams: {}, origins: {} };

export const streamKey = (line: Pick<Line, 'speakerID' | 'stream'>): string =>
  `${line.speakerID}/${String(line.stream)}`;

function lineKey(speakerID: string, stream: number, segmentID: number, lang: string): string {
  return `${speakerID}/${String(stream)}/${String(segmentID)}/${lang}`;
}

/** Whether a line is of that segment: the second of its sentences has `#1` at the key's end. */
function isOf(line: Line, key: string): boolean {
  return line.key === key || line.key.startsWith(`${key}#`);
}

/** Pieces carry their own word boundaries; a sentence does not begin with one. */
function joined(before: string, piece: string): string {
  return before === '' ? piece.trimStart() : before + piece;
}

function appended(line: Line, piece: Piece, finished: boolean): Line {
  const text = joined(line.text, piece.text);
  return {
    ...line,
    text,
    pieces: piece.text === '' ? line.pieces : [...line.pieces, piece],
    freshFrom: text === line.text ? line.freshFrom : line.text.length,
    finished: line.finished || finished,
  };
}

function replaced(lines: Line[], at: number, line: Line): Line[] {
  const copy = [...lines];
  copy[at] = line;
  return copy;
}

/** How far times may go back within a stream before it must be another one. */
const BACKWARDS_MS = 2000;

function repeats(message: Last, last: Last): boolean {
  const { seq, segmentID, startMs } = message;
  return seq === last.seq && segmentID === last.segmentID && startMs === last.startMs;
}

/** Numbers and times only grow within a stream: when they fall, the speaker began a new one. */
function beginsAnew(message: Last, last: Last): boolean {
  return message.seq <= last.seq || message.endMs < last.endMs - BACKWARDS_MS;
}

function finished(lines: Line[], over: (line: Line) => boolean): Line[] {
  const now = (line: Line) => !line.finished && over(line);
  return lines.some(now)
    ? lines.map((line) => (now(line) ? { ...line, finished: true } : line))
    : lines;
}

/** Ends lines that will not go on: of segments before the one that is spoken now. */
function closed(lines: Line[], now: TranslationText): Line[] {
  return finished(
    lines,
    (line) => line.speakerID === now.speakerID && line.segmentID < now.segmentID,
  );
}

/** This member reads another language from now on: of the others it hears no more. */
export function leaveLanguages(transcript: Transcript, stays: string | null): Transcript {
  return { ...transcript, lines: finished(transcript.lines, (line) => line.lang !== stays) };
}

/** Adds a message; one that comes twice changes nothing. */
export function addText(
  transcript: Transcript,
  message: TranslationText,
  now: number,
  sureFrom = HALF,
): Transcript {
  const { speakerID, lang, segmentID, seq, startMs, endMs } = message;
  const known = transcript.streams[speakerID] ?? { number: 0, last: {} };
  const last = known.last[lang];
  if (last && repeats(message, last)) return transcript;
  if (last && beginsAnew(message, last)) {
    return addText(beginStream(transcript, speakerID), message, now, sureFrom);
  }
  const stream = known.number;
  const streams = {
    ...transcript.streams,
    [speakerID]: {
      number: stream,
      last: { ...known.last, [lang]: { seq, segmentID, startMs, endMs } },
    },
  };
  const origin = `${speakerID}/${String(stream)}`;
  const origins =
    origin in transcript.origins
      ? transcript.origins
      : { ...transcript.origins, [origin]: now - (message.latencyMs ?? 0) - endMs };
  const key = lineKey(speakerID, stream, segmentID, lang);
  const piece = { text: message.payload, startMs, endMs, ...unsure(message, sureFrom) };
  const lines = closed(transcript.lines, message);
  // A segment may hold several sentences: only one of its lines is open.
  const at = lines.findLastIndex((line) => isOf(line, key) && !line.finished);
  const line = lines[at];
  if (line) {
    return { lines: replaced(lines, at, appended(line, piece, message.eos)), streams, origins };
  }
  if (message.payload.trim() === '') return { lines, streams, origins };
  const before = lines.filter((other) => isOf(other, key)).length;
  const empty: Line = {
    key: before === 0 ? key : `${key}#${String(before)}`,
    speakerID,
    stream,
    segmentID,
    lang,
    pieces: [],
    text: '',
    freshFrom: 0,
    finished: false,
  };
  return { lines: [...lines, appended(empty, piece, message.eos)], streams, origins };
}

/** A sentence that the model gave up: said in its own line, or at the end of what it wrote of it. */
export function addLost(transcript: Transcript, message: NotUnderstood, now: number): Transcript {
  const sign = '…';
  const text = { ...message, event: 'translation_text' as const, payload: sign, confidence: null };
  const added = addText(transcript, text, now);
  const { speakerID, segmentID, lang } = message;
  const at = added.lines.findLastIndex(
    (line) => line.speakerID === speakerID && line.segmentID === segmentID && line.lang === lang,
  );
  const line = added.lines[at];
  if (!line || added === transcript) return added;
  return { ...added, lines: replaced(added.lines, at, { ...line, lost: true }) };
}

/** A speaker began a new stream: its numbers start again, and its open lines end here. */
export function beginStream(transcript: Transcript, speakerID: string): Transcript {
  const number = (transcript.streams[speakerID]?.number ?? 0) + 1;
  return {
    ...transcript,
    lines: finished(transcript.lines, (line) => line.speakerID === speakerID),
    streams: { ...transcript.streams, [speakerID]: { number, last: {} } },
  };
}

/** The line of a sentence that this page came into the middle of: the rest of it goes on there. */
function continued(line: Line, entry: TranscriptSentence, text: string, sureFrom: SureFrom): Line {
  const piece = { text, startMs: entry.startMs, endMs: entry.endMs, ...unsure(entry, sureFrom) };
  return { ...line, text, pieces: [piece], freshFrom: text.length };
}

/**
 * Adds what was said before, in every language that the server has it in: a view then shows one
 * language of each sentence (`shownLines`). Sentences that this page knows in another language get
 * their place beside it, all others come first. One that is still being spoken stays open, and what
 * this page heard of it already is not written twice.
 */
export function addHistory(
  transcript: Transcript,
  entries: readonly TranscriptSentence[],
  sureFrom = HALF,
): Transcript {
  const lines = [...transcript.lines];
  const heard = new Set(lines.map((line) => `${line.speakerID}/${line.lang}/${line.text}`));
  const older: Line[] = [];
  const taken = new Set(lines.map((line) => line.key));
  const unused = (key: string): string => {
    const free = taken.has(key) ? unused(`${key}~`) : key;
    taken.add(free);
    return free;
  };
  entries.forEach((entry, index) => {
    const { speakerID, segmentID, lang, finished } = entry;
    const text = entry.text.trim();
    if (text === '' || heard.has(`${speakerID}/${lang}/${text}`)) return;
    const stream = transcript.streams[speakerID]?.number ?? 0;
    const key = lineKey(speakerID, stream, segmentID, lang);
    const begun = lines.findIndex((line) => isOf(line, key) && text.endsWith(line.text.trim()));
    const line = lines[begun];
    if (line) {
      lines[begun] = continued(line, entry, text, sureFrom);
      return;
    }
    const added: Line = {
      key: unused(
        finished ? `history/${String(index)}/${speakerID}/${String(segmentID)}/${lang}` : key,
      ),
      speakerID,
      stream,
      segmentID,
      lang,
      pieces: [{ text, startMs: entry.startMs, endMs: entry.endMs, ...unsure(entry, sureFrom) }],
      text,
      freshFrom: 0,
      finished,
    };
    const beside = lines.findLastIndex(
      (other) => other.speakerID === speakerID && other.segmentID === segmentID,
    );
    if (beside >= 0) lines.splice(beside + 1, 0, added);
    else older.push(added);
  });
  return { ...transcript, lines: [...older, ...lines] };
}
