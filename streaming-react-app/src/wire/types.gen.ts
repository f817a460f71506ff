// Made by `npm run gen-types` from the schemas of the server. Do not edit.

/**
 * Answer to most events.
 */
export interface Ack {
  status: 'ok' | 'error';
  message: string;
  field: string | null;
  code: string | null;
}
/**
 * Answer to `incoming_audio`, if one is asked for.
 */
export interface AudioAck {
  queuedMs: number;
  receivedMs: number | null;
  doneMs: number | null;
}
/**
 * A model that is served.
 */
export interface Capability {
  name: string;
  description: string;
  modalities: ('s2t' | 's2s')[];
  targetLangs: string[];
  dynamicParams: 'expressive'[];
  speechLangs: string[];
  sourceLangs: string[];
  captionLangs: string[];
  voices: {
    [k: string]: number;
  };
  loaded: boolean;
  demonstration: boolean;
  sureFrom: number;
}
/**
 * Argument of `set_dynamic_config`; what is absent stays as it is.
 */
export interface DynamicConfig {
  targetLanguage?: string | null;
  sourceLanguage?: string | null;
  expressive?: boolean | null;
  sendVoice?: boolean;
}
/**
 * Answer to `invite_token`: a token for listeners only; null where none is needed or known.
 */
export interface InviteAck {
  status: 'ok' | 'error';
  message: string;
  field: string | null;
  code: string | null;
  token: string | null;
}
/**
 * Answer to `join_room`.
 */
export interface JoinAck {
  roomsJoined: string[];
  roomID: string;
}
/**
 * Third argument of `join_room`.
 */
export interface JoinConfig {
  roles?: ('speaker' | 'listener')[] | null;
  lockServerName?: string | null;
  passcode?: string | null;
  open?: boolean;
}
/**
 * Answer to `set_listener_config`: what the listener will get.
 */
export interface ListenerAck {
  status: 'ok' | 'error';
  message: string;
  field: string | null;
  code: string | null;
  targetLanguage: string | null;
  output: 's2s&t' | 's2t' | 's2s' | 'none';
}
/**
 * Argument of `set_listener_config`.
 */
export interface ListenerConfig {
  targetLanguage?: string | null;
  output?: 's2s&t' | 's2t' | 's2s' | 'none';
  heard?: boolean;
  encoding?: 'pcm16' | 'opus';
  original?: boolean;
}
/**
 * How many connected listeners chose a language; null is the speaker's choice.
 */
export interface ListenersOf {
  targetLanguage: string | null;
  count: number;
}
export interface MemberState {
  client_id: string;
  session_id: string | null;
  name: string | null;
  connection_status: 'connected' | 'disconnected';
  transcoder: boolean;
  requested_output_type: ('s2s&t' | 's2t' | 's2s') | null;
  transcoder_dynamic_config: {
    [k: string]: unknown;
  } | null;
  roles: ('speaker' | 'listener')[];
  listener_config: {
    [k: string]: unknown;
  } | null;
  model: string | null;
}
/**
 * Answer to `members`: a page, and where the next one begins.
 */
export interface MembersAck {
  members: {
    [k: string]: MemberState;
  };
  next: number | null;
  total: number;
}
/**
 * Argument of `members`.
 */
export interface MembersPage {
  after?: number;
  limit?: number;
}
/**
 * `not_understood`: what was held back of a sentence is neither written nor spoken.
 *
 * At its end the decoder was less sure of it than the stream's `min_confidence`.
 */
export interface NotUnderstood {
  eos: boolean;
  speakerID: string;
  lang: string;
  segmentID: number;
  seq: number;
  startMs: number;
  endMs: number;
  latencyMs: number;
  offset: number;
  event: 'not_understood';
  confidence: number | null;
}
/**
 * Audio as Opus, where `incoming_audio` takes samples too. `payload` is packets of at most 1 s
 * in all, each behind its length in two bytes, big-endian.
 *
 * `preSkip` tells that a new encoder begins, and how many samples are to be left out at its
 * beginning; then the payload gives `samples`, and more is silence at the end. All are counted at
 * the stream's `rate`, which has to be one that Opus knows.
 */
export interface OpusAudio {
  payload: ArrayBuffer;
  samples: number;
  preSkip?: number | null;
}
/**
 * `original_speech` for protocol 2: a speaker's own voice, as it comes. `payload`, `encoding`,
 * `preSkip` and `samples` are those of `translation_speech`.
 */
export interface OriginalSpeech {
  event: 'original_speech';
  speakerID: string;
  payload: ArrayBuffer;
  encoding: 'pcm16' | 'opus';
  sample_rate: number;
  preSkip: number | null;
  samples: number | null;
}
/**
 * `place_in_line`, to a speaker that waits for a stream.
 */
export interface PlaceInLine {
  state: 'waiting' | 'admitted' | 'ended';
  position: number;
  waiting: number;
  debug: boolean | null;
  message: string | null;
}
/**
 * All members of a room, however many `room_state_update` names.
 */
export interface RoomCounts {
  members: number;
  connected: number;
  speakers: number;
  listeners: number;
}
/**
 * Argument of `set_room`; what is absent stays as it is.
 */
export interface RoomRules {
  passcode?: string | null;
  closed?: boolean;
  speakersClosed?: boolean;
}
/**
 * `room_state_update`.
 *
 * In a crowded room `complete` is false: `members`, `listeners` and `speakers` then name only the
 * owner and those who speak, and the event `members` tells the rest.
 */
export interface RoomState {
  room_id: string;
  members: {
    [k: string]: MemberState;
  };
  listeners: string[];
  speakers: string[];
  activeTranscoders: number;
  owner: string | null;
  hasPasscode: boolean;
  closed: boolean;
  complete: boolean;
  counts: RoomCounts;
  listening: ListenersOf[];
  speakersClosed: boolean;
}
export interface RoomStatus {
  activeConnections: number;
  activeTranscoders: number;
}
/**
 * `recording_saved`, to the speaker.
 */
export interface SavedRecording {
  name: string;
  files: string[];
  url: string;
}
/**
 * `server_exception`, to the client that it concerns.
 */
export interface ServerException {
  message: string;
  timeEpochMs: number;
  code: string;
  event: string | null;
  field: string | null;
  room: string | null;
  clientID: string | null;
}
export interface ServerLock {
  name: string;
  clientID: string;
  isActive: boolean;
}
/**
 * `server_restart`: the server is about to end; connect again after this time.
 */
export interface ServerRestart {
  retryAfterMs: number;
}
/**
 * `server_state_update`.
 */
export interface ServerState {
  statusByRoom: {
    [k: string]: RoomStatus;
  };
  totalActiveConnections: number;
  totalActiveTranscoders: number;
  agentsCapabilities: Capability[];
  serverLock: ServerLock | null;
  ready: boolean;
  maxSpeakers: number | null;
  waitingSpeakers: number;
}
/**
 * Answer to `configure_stream`; `waiting` only if `wait` was asked for.
 */
export interface StreamAck {
  status: 'ok' | 'error' | 'waiting';
  message: string;
  field: string | null;
  code: string | null;
  model: string | null;
  encoding: ('pcm16' | 'opus') | null;
  debug: boolean | null;
  position: number | null;
  waiting: number | null;
}
/**
 * Argument of `configure_stream`.
 */
export interface StreamConfig {
  event?: string | null;
  rate: number;
  model_name?: string | null;
  model_type?: 's2s&t' | 's2t' | 's2s';
  debug?: boolean;
  async_processing?: boolean;
  buffer_limit?: number;
  wait?: boolean;
  encoding?: 'pcm16' | 'opus';
  options?: {
    [k: string]: unknown;
  };
}
/**
 * `stream_status`, to the speaker, at most twice a second.
 */
export interface StreamStatus {
  state: 'listening' | 'speech' | 'flushing';
  lagMs: number;
  queuedMs: number;
  coalesced: number;
  droppedMs: number;
  realTimeFactor: number | null;
  warning: string | null;
  sourceLanguage: string | null;
}
/**
 * One sentence of the answer to `transcript`.
 */
export interface TranscriptSentence {
  speakerID: string;
  lang: string;
  segmentID: number;
  startMs: number;
  endMs: number;
  text: string;
  finished: boolean;
  confidence: number | null;
}
/**
 * `translation_speech` for protocol 2. `payload` is binary, mono: 16-bit little-endian
 * samples, or packets of Opus, each behind its length in two bytes, big-endian. `offset` is how
 * many samples of the segment, in this language, came before it.
 *
 * Of Opus only: `preSkip` tells that a new decoder is needed and how many samples are to be left
 * out at its beginning; then the payload gives `samples`, and more is silence at the end.
 */
export interface TranslationSpeech {
  eos: boolean;
  speakerID: string;
  lang: string;
  segmentID: number;
  seq: number;
  startMs: number;
  endMs: number;
  latencyMs: number;
  offset: number;
  event: 'translation_speech';
  payload: ArrayBuffer;
  encoding: 'pcm16' | 'opus';
  sample_rate: number;
  preSkip: number | null;
  samples: number | null;
}
/**
 * `translation_text` for protocol 2. `payload` begins with a space where a word begins.
 *
 * `offset` is how many characters of the segment, in this language, came before it.
 *
 * `confidence`, from 0 to 1, is how sure the decoder is of the sentence up to here.
 */
export interface TranslationText {
  eos: boolean;
  speakerID: string;
  lang: string;
  segmentID: number;
  seq: number;
  startMs: number;
  endMs: number;
  latencyMs: number;
  offset: number;
  event: 'translation_text';
  payload: string;
  confidence: number | null;
}

/** What the server sends, by event. */
export interface ServerPayloads {
  server_id: unknown;
  server_state_update: ServerState;
  room_state_update: RoomState;
  translation_text: TranslationText;
  translation_speech: TranslationSpeech;
  original_speech: OriginalSpeech;
  not_understood: NotUnderstood;
  clear_transcript: unknown;
  stream_status: StreamStatus;
  place_in_line: PlaceInLine;
  recording_saved: SavedRecording;
  server_exception: ServerException;
  server_restart: ServerRestart;
}
