/** What the page and the playback worklet tell each other. */

export type ToPlayback =
  | { type: 'push'; voice: string; samples: Float32Array; under: boolean }
  | { type: 'clear' }
  | { type: 'gate'; open: boolean }
  /** Plays at least this fast. */
  | { type: 'speed'; least: number };

export interface PlaybackReport {
  /** Seconds of the longest queue: how far behind the speaker's translation the ear is. */
  behind: number;
  /** Fastest rate of any voice now. */
  rate: number;
  /** Samples heard, and jumped over, since the start. */
  played: number;
  skipped: number;
  dryRuns: number;
  /** Whether something is sounding now. */
  active: boolean;
}

export const PLAYBACK_PROCESSOR = 'seamless-playback';
