/**
 * What came of each speaker, language and kind: a server that this page comes back to is told, and
 * what two servers both sent counts once.
 */
import type { Had } from '../net/connection';

interface Piece {
  speakerID: string;
  lang: string;
  segmentID: number;
  seq: number;
  /** Characters or samples of the segment before it; servers of before do not tell. */
  offset?: number;
}

export class Arrivals {
  private readonly last = new Map<string, { had: Had; end: number }>();

  /** A piece came; gives how much of it, from its start, had come before. */
  add(kind: 'text' | 'speech', piece: Piece, length: number): number {
    const { speakerID, lang, segmentID, seq, offset } = piece;
    const key = JSON.stringify([speakerID, lang, kind]);
    const before = this.last.get(key);
    const had: Had = [speakerID, lang, kind, segmentID, seq];
    if (offset === undefined) {
      this.last.set(key, { had, end: 0 });
      return 0;
    }
    const known =
      before?.had[3] === segmentID ? Math.max(0, Math.min(length, before.end - offset)) : 0;
    const end = Math.max(offset + length, known > 0 ? (before?.end ?? 0) : 0);
    this.last.set(key, { had, end });
    return known;
  }

  get had(): Had[] {
    return [...this.last.values()].map(({ had }) => had);
  }
}
