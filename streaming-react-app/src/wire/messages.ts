/** The messages of protocol 2 under the names that this page uses; the shapes are the server's. */
import type { DynamicConfig, ListenerConfig, MemberState, ServerPayloads } from './types.gen';

export type {
  Ack,
  AudioAck,
  Capability,
  JoinAck,
  InviteAck,
  ListenerAck,
  ListenerConfig,
  MembersAck,
  NotUnderstood,
  OpusAudio,
  OriginalSpeech,
  RoomRules,
  SavedRecording,
  RoomState,
  ServerException,
  PlaceInLine,
  ServerState,
  StreamAck,
  StreamConfig,
  StreamStatus,
  TranscriptSentence,
  TranslationSpeech,
  TranslationText,
} from './types.gen';

export type SpeakerConfig = DynamicConfig;
export type Member = MemberState;
export type OutputType = NonNullable<ListenerConfig['output']>;
export type Role = MemberState['roles'][number];

/** Handlers of what the server sends; `server_id` is a string and `clear_transcript` carries nothing. */
export type ServerEvents = {
  [E in Exclude<keyof ServerPayloads, 'server_id'>]: (payload: ServerPayloads[E]) => void;
} & { server_id: (id: string) => void };
