/** One member of a room: its connection and all that hangs on it. Views get it from a context. */
import { createContext, useContext } from 'react';
import { EventLog } from '../debug/eventLog';
import { Metrics } from '../debug/metrics';
import { Trace } from '../debug/trace';
import { Listener } from '../listen/listener';
import { Connection } from '../net/connection';
import type { ConnectionOptions } from '../net/connection';
import { Speaker } from '../speak/speaker';
import { modelOf, unwritten } from './models';
import { Room } from './room';

export class Client {
  readonly log = new EventLog();
  readonly metrics = new Metrics();
  readonly trace = new Trace();
  readonly connection: Connection;
  readonly room: Room;
  readonly listener: Listener;
  readonly speaker: Speaker;
  /** Address of the server, for links to its files. */
  readonly base: string;

  constructor({
    connect = true,
    ...options
  }: Omit<ConnectionOptions, 'onTraffic'> & { connect?: boolean }) {
    this.base = options.base;
    this.connection = new Connection({
      ...options,
      onTraffic: (direction, event, payload) => this.log.add(direction, event, payload),
    });
    this.room = new Room(this.connection);
    this.listener = new Listener(this.connection, this.metrics, this.trace);
    this.speaker = new Speaker(this.connection, this.room, this.metrics, this.trace);
    this.listener.sureFrom = (id) =>
      modelOf(this.models, this.room.view.getState().state, id)?.sureFrom ?? 0.5;
    this.room.onLost = () => this.speaker.lost();
    this.room.onRestored = (restarted) => {
      if (restarted) this.listener.serverRestarted();
      void this.listener.apply();
      void this.speaker.restored(restarted);
    };
    // The echo guard: while this page's microphone is open, its loudspeaker is not.
    this.speaker.state.subscribe(({ phase, sourceKind }) => {
      this.listener.setMicrophoneOpen(
        sourceKind === 'microphone' && phase !== 'idle' && phase !== 'finishing',
      );
    });
    this.room.view.subscribe(() => this.follow());
    this.listener.state.subscribe(({ language }, before) => {
      if (language !== before.language) this.follow();
    });
    if (connect) this.connection.open();
  }

  private get models() {
    return this.room.server.getState().state?.agentsCapabilities ?? [];
  }

  /** Where the model of those who speak does not write this member's language, it reads theirs. */
  private follow(): void {
    const { language } = this.listener.state.getState();
    const { state } = this.room.view.getState();
    const follows = language === null ? false : unwritten(this.models, state, language);
    if (follows !== null) void this.listener.follow(follows);
  }
}

const ClientContext = createContext<Client | null>(null);

export const ClientProvider = ClientContext.Provider;

export function useClient(): Client {
  const client = useContext(ClientContext);
  if (client === null) throw new Error('useClient needs a ClientProvider');
  return client;
}
