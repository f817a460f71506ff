/** Lines of a transcript on one time axis, cut into cues that fit a subtitle. */
import { streamKey } from './transcript';
import type { Line, Transcript } from './transcript';

export interface Cue {
  /** Milliseconds from the beginning of the first speaker's audio. */
  startMs: number;
  endMs: number;
  speakerID: string;
  lang: string;
  text: string;
  line: Line;
}

const LONGEST_MS = 6000;
const MOST_CHARACTERS = 84;
const SHORTEST_MS = 1000;

export function cues(transcript: Transcript): Cue[] {
  const origins = Object.values(transcript.origins);
  const zero = origins.length > 0 ? Math.min(...origins) : 0;
  const result: Cue[] = [];
  for (const line of transcript.lines) {
    const offset = (transcript.origins[streamKey(line)] ?? zero) - zero;
    let cue: Cue | null = null;
    for (const piece of line.pieces) {
      const startMs = Math.max(0, Math.round(offset + piece.startMs));
      const endMs = Math.max(startMs, Math.round(offset + piece.endMs));
      const full: boolean =
        cue !== null &&
        (endMs - cue.startMs > LONGEST_MS || cue.text.length + piece.text.length > MOST_CHARACTERS);
      if (cue === null || full) {
        cue = { startMs, endMs, speakerID: line.speakerID, lang: line.lang, text: '', line };
        result.push(cue);
      }
      cue.text = cue.text === '' ? piece.text.trimStart() : cue.text + piece.text;
      cue.endMs = Math.max(cue.endMs, endMs);
    }
  }
  result.sort((a, b) => a.startMs - b.startMs);
  return result
    .filter((cue) => cue.text.trim() !== '')
    .map((cue) => ({ ...cue, endMs: Math.max(cue.endMs, cue.startMs + SHORTEST_MS) }));
}
