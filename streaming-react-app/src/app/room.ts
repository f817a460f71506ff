/** The connection's and the room's state, kept through reconnects. */
import type { Connection, LinkEvent } from '../net/connection';
import { values } from '../state/store';
import type { Role, RoomState, ServerState } from '../wire/messages';

export interface LinkState {
  status: 'connecting' | 'connected' | 'reconnecting' | 'refused';
  /** The server's own words when it refused. */
  message: string | null;
}

export interface RoomView {
  phase: 'outside' | 'joining' | 'inside';
  roomID: string | null;
  roles: readonly Role[];
  state: RoomState | null;
  /** What the server answered when joining failed. */
  error: string | null;
  /** The kind of that error: `no_room`, `unauthorized`, ... */
  code: string | null;
}

export class Room {
  readonly link = values<LinkState>({ status: 'connecting', message: null });
  readonly view = values<RoomView>({
    phase: 'outside',
    roomID: null,
    roles: [],
    state: null,
    error: null,
    code: null,
  });
  readonly server = values<{ state: ServerState | null }>({ state: null });

  /** Called in the room again after a reconnect; `restarted` when the server forgot everything. */
  onRestored: (restarted: boolean) => void = () => undefined;
  onLost: () => void = () => undefined;

  private serverID: string | null = null;
  private lockName: string | null = null;
  private passcode: string | null = null;
  private wasConnected = false;

  constructor(private readonly connection: Connection) {
    connection.onLink = (event) => this.linkChanged(event);
    connection.on('server_id', (id) => void this.serverSeen(id));
    connection.on('server_state_update', (state) => this.server.setState({ state }));
    connection.on('room_state_update', (state) => {
      if (state.room_id === this.view.getState().roomID) this.view.setState({ state });
    });
    connection.on('server_exception', ({ code = null, message }) => {
      if (code === 'removed' || code === 'room_ended') {
        this.view.setState({ phase: 'outside', roles: [], state: null, error: message, code });
        this.onLost();
      } else if (code === 'muted') {
        this.view.setState({ roles: ['listener'], error: message, code });
      }
    });
  }

  get me(): string {
    return this.connection.clientID;
  }

  /** Whether this member opened the room, or has taken it over. */
  get owns(): boolean {
    return this.view.getState().state?.owner === this.me;
  }

  /** Whether the server has a stream of this member. */
  get streaming(): boolean {
    return this.view.getState().state?.members[this.me]?.transcoder ?? false;
  }

  /** What translates this member's stream, as the room knows it. */
  get model(): string | null {
    return this.view.getState().state?.members[this.me]?.model ?? null;
  }

  async join(
    roomID: string | null,
    roles: readonly Role[],
    lockName: string | null,
    name: string,
    open = true,
    passcode: string | null = null,
  ) {
    this.lockName = lockName;
    this.passcode = passcode;
    this.view.setState({ phase: 'joining', roomID, roles, error: null, code: null });
    try {
      if (name !== '') await this.connection.setName(name).catch(() => undefined);
      const answer = await this.enter(roomID, roles, open);
      if (!answer.roomID) {
        const { message = '', code = null } = answer;
        this.view.setState({ phase: 'outside', roles: [], error: message, code });
        return false;
      }
      this.view.setState({ phase: 'inside', roomID: answer.roomID });
    } catch (error) {
      const message = error instanceof Error ? error.message : '';
      this.view.setState({ phase: 'outside', roles: [], error: message });
    }
    return this.view.getState().phase === 'inside';
  }

  async setRoles(roles: readonly Role[]): Promise<void> {
    const { roomID, roles: before } = this.view.getState();
    this.view.setState({ roles, error: null, code: null });
    const answer = await this.enter(roomID, roles);
    if (answer.roomID) return;
    this.view.setState({ roles: before, error: answer.message ?? '', code: answer.code ?? null });
  }

  private enter(roomID: string | null, roles: readonly Role[], open = true) {
    const wishes = { lockServerName: this.lockName, passcode: this.passcode, open };
    return this.connection.join(roomID, roles, wishes);
  }

  async setLock(lockName: string | null): Promise<void> {
    this.lockName = lockName;
    await this.setRoles(this.view.getState().roles);
  }

  private linkChanged(event: LinkEvent): void {
    if (event.type === 'disconnected') {
      this.link.setState({ status: 'reconnecting' });
      this.onLost();
    } else if (event.type === 'failed') {
      const away = this.wasConnected ? 'reconnecting' : 'connecting';
      this.link.setState({ status: event.refused ? 'refused' : away, message: event.message });
    }
  }

  private async serverSeen(id: string): Promise<void> {
    const restarted = this.serverID !== null && this.serverID !== id;
    const returning = this.wasConnected;
    this.serverID = id;
    this.wasConnected = true;
    const { phase, roomID, roles } = this.view.getState();
    if (returning && phase === 'inside') {
      try {
        await this.enter(roomID, roles);
        this.onRestored(restarted);
      } catch {
        // The connection went away again: the next one comes here anew.
        return;
      }
    }
    this.link.setState({ status: 'connected', message: null });
  }
}
