/** Opens the page's connections as its address asks. */
import { rememberToken, rememberedToken, tabIdentity } from '../net/clientId';
import { serverBase } from '../net/serverAddress';
import { preferences } from '../state/preferences';
import { loadServerInfo } from '../state/serverInfo';
import { Client } from './client';
import { enterRoom } from './enter';
import type { UrlParams } from './urlParams';

export interface Clients {
  client: Client;
  original: Client | null;
}

/** Joins as a reader who never sounds: for screens that nobody sits at. */
async function watch(client: Client, roomID: string | null, lang: string | null, text: boolean) {
  client.listener.state.setState({ language: lang, wantText: text, wantSpeech: false });
  await client.listener.apply();
  if (!(await client.room.join(roomID, ['listener'], null, ''))) return;
  if (text) await client.listener.catchUp();
}

/** `connect` is false for a page that only says that its address leads nowhere. */
export async function openClients(params: UrlParams, connect: boolean): Promise<Clients> {
  const base = serverBase(params.serverURL);
  const token = params.token ?? rememberedToken();
  if (params.token !== null) rememberToken(params.token);
  const open = async (suffix = '') =>
    new Client({ base, token, connect, ...(await tabIdentity(suffix)) });
  const client = await open();
  if (!connect) return { client, original: null };
  let original: Client | null = null;
  // As in the original page: `debug` records the stream.
  client.speaker.state.setState({ record: params.debug });
  void loadServerInfo(base);
  if (params.view === 'overlay') {
    void watch(client, params.roomID, params.lang, true);
  } else if (params.view === 'presenter') {
    original = await open('.original');
    const second = original;
    void watch(client, params.roomID, params.lang, true).then(() =>
      watch(second, client.room.view.getState().roomID, params.spoken, params.spoken !== null),
    );
  } else if (params.autoJoin) {
    const role = params.role ?? 'listener';
    void enterRoom(client, {
      roomID: params.roomID,
      role,
      lang: params.lang,
      lockName: params.enableServerLock && role === 'speaker' ? 'Speaker' : null,
      hear: preferences.getState().wantSpeech,
    });
  }
  return { client, original };
}
