/** What is known of this member's own stream. */
import type { MicrophoneSettings } from '../audio/capture/liveSource';
import type { CaptureProblem } from '../audio/capture/problems';
import type { SavedRecording, StreamStatus } from '../wire/messages';

export type SourceSpec =
  | ({ kind: 'microphone' } & MicrophoneSettings)
  | { kind: 'tab'; noiseSuppression: boolean; echoCancellation: boolean }
  | { kind: 'file'; file: File }
  | { kind: 'clip'; url: string; name: string };

export type WaitReason = 'full' | 'locked' | 'loading';

export interface Place {
  /** 1 is next. */
  position: number;
  waiting: number;
}

export interface SpeakingState {
  phase: 'idle' | 'opening' | 'waiting' | 'live' | 'finishing';
  waitReason: WaitReason | null;
  /** In the line of those who wait for a stream; null outside of it. */
  place: Place | null;
  sourceKind: SourceSpec['kind'] | null;
  sourceLabel: string;
  duration: number | null;
  startedAt: number | null;
  muted: boolean;
  paused: boolean;
  /** A patient source waits for the server. */
  throttled: boolean;
  /** What this member speaks, so that others can read what was heard; null is not said. */
  sourceLanguage: string | null;
  targetLanguage: string | null;
  /** The model that this member insists on; null leaves it to the server. */
  model: string | null;
  /** The model that translates. */
  running: string | null;
  /** What is made of the speech. */
  output: 's2s&t' | 's2t' | 's2s';
  record: boolean;
  status: StreamStatus | null;
  heldMs: number;
  droppedMs: number;
  problem: CaptureProblem | null;
  /** A sentence of the server about this stream. */
  serverMessage: string | null;
  recordings: SavedRecording[];
  monitor: number;
}

export interface Level {
  rms: number;
  peak: number;
}

export const NOT_SPEAKING: SpeakingState = {
  phase: 'idle',
  waitReason: null,
  place: null,
  sourceKind: null,
  sourceLabel: '',
  duration: null,
  startedAt: null,
  muted: false,
  paused: false,
  throttled: false,
  sourceLanguage: null,
  targetLanguage: null,
  model: null,
  running: null,
  output: 's2s&t',
  record: false,
  status: null,
  heldMs: 0,
  droppedMs: 0,
  problem: null,
  serverMessage: null,
  recordings: [],
  monitor: 1,
};
