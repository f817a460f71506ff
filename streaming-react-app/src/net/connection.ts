/** The socket: typed events in and out, acknowledgements as promises. No state of the page's own. */
import { io } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import type { OnAck } from '../speak/uplink';
import type {
  Ack,
  AudioAck,
  InviteAck,
  JoinAck,
  ListenerAck,
  ListenerConfig,
  MembersAck,
  OpusAudio,
  Role,
  RoomRules,
  ServerEvents,
  SpeakerConfig,
  StreamAck,
  StreamConfig,
  TranscriptSentence,
} from '../wire/messages';

/** The last event that came of a speaker, language and kind: its segment and number. */
export type Had = [
  speakerID: string,
  lang: string,
  kind: 'text' | 'speech',
  segmentID: number,
  seq: number,
];

export interface JoinWishes {
  lockServerName: string | null;
  passcode: string | null;
  /** A room that nobody has opened is opened; else that is an error. */
  open: boolean;
}

export type LinkEvent =
  | { type: 'connected' }
  | { type: 'disconnected'; reason: string }
  /** `refused`: by the server, in its own words; otherwise it was not reached. */
  | { type: 'failed'; refused: boolean; message: string };

const ANSWER_WITHIN_MS = 10_000;
/** Configuring may wait for a model to load. */
const CONFIGURE_WITHIN_MS = 60_000;

/** A full server may have a place by then. */
const REFUSED_AGAIN_MS = 5000;

export interface ConnectionOptions {
  base: string;
  clientID: string;
  /** Proves, after a reconnect, that this is the same client. */
  resumeKey: string;
  /** For servers that ask for one. */
  token: string | null;
  /** Sees every message, for the debug panel. */
  onTraffic?: (direction: 'in' | 'out', event: string, payload: unknown) => void;
}

export class Connection {
  onLink: (event: LinkEvent) => void = () => undefined;
  /** What came already, for a server that this page comes back to. */
  had: () => Had[] = () => [];

  private readonly socket: Socket;

  private token: string | null;

  constructor(private readonly options: ConnectionOptions) {
    this.token = options.token;
    const url = new URL(options.base);
    this.socket = io(url.origin, {
      path: `${url.pathname}ws/socket.io`,
      transports: ['websocket'],
      query: { clientID: options.clientID, protocol: '2' },
      auth: (send: (data: object) => void) => send(this.auth()),
      autoConnect: false,
      reconnectionDelay: 500,
      reconnectionDelayMax: 4000,
    });
    this.socket.on('connect', () => this.onLink({ type: 'connected' }));
    this.socket.on('disconnect', (reason) => this.disconnected(reason));
    this.socket.on('connect_error', (error) => {
      // The library tries again by itself, but not after the server's own refusal.
      const refused = !this.socket.active;
      this.onLink({ type: 'failed', refused, message: error.message });
      if (refused) setTimeout(() => this.socket.connect(), REFUSED_AGAIN_MS);
    });
    this.socket.onAny((event: string, payload: unknown) =>
      this.options.onTraffic?.('in', event, payload),
    );
  }

  get clientID(): string {
    return this.options.clientID;
  }

  get connected(): boolean {
    return this.socket.connected;
  }

  /** Connects anew with another token. */
  setToken(token: string): void {
    this.token = token;
    this.socket.disconnect().connect();
  }

  private auth(): object {
    const { resumeKey } = this.options;
    return { resumeKey, had: this.had(), ...(this.token ? { token: this.token } : {}) };
  }

  open(): void {
    this.socket.connect();
  }

  close(): void {
    this.socket.disconnect();
  }

  on<E extends keyof ServerEvents>(event: E, handler: ServerEvents[E]): void {
    this.socket.on(event as string, handler);
  }

  join(roomID: string | null, roles: readonly Role[], wishes: JoinWishes) {
    const { lockServerName, passcode, open } = wishes;
    return this.ask<Partial<JoinAck> & Partial<Ack>>('join_room', this.clientID, roomID, {
      roles,
      lockServerName,
      ...(passcode === null ? {} : { passcode }),
      ...(open ? {} : { open }),
    });
  }

  setRoom(rules: Partial<RoomRules>) {
    return this.ask<Ack>('set_room', rules);
  }

  /** Who is in a room too large for everybody to be told of everybody: a page, in the order of coming. */
  members(after: number) {
    return this.ask<MembersAck | Ack>('members', { after });
  }

  muteMember(clientID: string) {
    return this.ask<Ack>('mute_member', clientID);
  }

  removeMember(clientID: string) {
    return this.ask<Ack>('remove_member', clientID);
  }

  endRoom() {
    return this.ask<Ack>('end_room');
  }

  inviteToken() {
    return this.ask<InviteAck>('invite_token');
  }

  setListenerConfig(config: Required<ListenerConfig>) {
    return this.ask<ListenerAck>('set_listener_config', config);
  }

  setDynamicConfig(config: SpeakerConfig) {
    return this.ask<Ack>('set_dynamic_config', config);
  }

  configureStream(config: StreamConfig) {
    return this.askWithin<StreamAck>(CONFIGURE_WITHIN_MS, 'configure_stream', {
      event: 'config',
      async_processing: true,
      wait: true,
      // Speech is wanted the moment it exists; the player needs no stock.
      buffer_limit: 0,
      ...config,
    });
  }

  stopStream() {
    return this.askWithin<Ack>(CONFIGURE_WITHIN_MS, 'stop_stream');
  }

  transcript() {
    return this.ask<TranscriptSentence[] | Ack>('transcript');
  }

  clearTranscriptForAll(): void {
    this.trace('clear_transcript_for_all', null);
    this.socket.emit('clear_transcript_for_all');
  }

  setName(name: string) {
    return this.ask<unknown>('set_name', name);
  }

  sendAudio(audio: ArrayBuffer | OpusAudio, onAck?: OnAck): void {
    this.trace('incoming_audio', audio instanceof ArrayBuffer ? audio : audio.payload);
    if (!onAck) {
      this.socket.emit('incoming_audio', audio);
      return;
    }
    this.socket.emit('incoming_audio', audio, (answer: Partial<AudioAck> | null) =>
      onAck(answer?.queuedMs ?? 0, answer?.doneMs, answer?.receivedMs),
    );
  }

  /** Audio of the running stream that the server has; null if it does not tell. */
  async receivedMs(): Promise<number | null> {
    const answer = await this.ask<Partial<AudioAck> | null>('incoming_audio', new ArrayBuffer(0));
    return answer?.receivedMs ?? null;
  }

  private disconnected(reason: string): void {
    this.onLink({ type: 'disconnected', reason });
    // After a disconnect by the server the library does not come back by itself.
    if (reason === 'io server disconnect') setTimeout(() => this.socket.connect(), 2000);
  }

  private ask<T>(event: string, ...args: unknown[]): Promise<T> {
    return this.askWithin<T>(ANSWER_WITHIN_MS, event, ...args);
  }

  private async askWithin<T>(milliseconds: number, event: string, ...args: unknown[]): Promise<T> {
    this.trace(event, args.length === 1 ? args[0] : args);
    const answer = (await this.socket.timeout(milliseconds).emitWithAck(event, ...args)) as T;
    this.options.onTraffic?.('in', `${event} (answer)`, answer);
    return answer;
  }

  private trace(event: string, payload: unknown): void {
    this.options.onTraffic?.('out', event, payload);
  }
}
