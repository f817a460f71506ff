/** Opens the page's connection as its address asks. */
// @ts-nocheck

import { rememberToken, rememberedToken, tabIdentity } from '../net/clientId';
import { serverBase } from '../net/serverAddress';
import { preferences } from '../state/preferences';
import { loadServerInfo } from '../state/serverInfo';
import { Client } from './client';
import { enterRoom } from './enter';
import type { UrlParams } from './urlParams';

/** Joins as a reader who never sounds: for screens that nobody sits at. */
async function watch(client: Client, { roomID, lang, view }: UrlParams) {
  const heard = view === 'presenter';
  client.listener.state.setState({ language: lang, wantText: true, wantSpeech: false, heard });
  await client.listener.apply();
  if (await client.room.join(roomID, ['listener'], null, '')) await client.listener.catchUp();
}

/** `connect` is false for a page that only says that its address leads nowhere. */
export async function openClient(params: UrlParams, connect: boolean): Promise<Client> {
  const base = serverBase(params.serverURL);
  const token = params.token ?? rememberedToken();
  if (params.token !== null) rememberToken(params.token);
  const client = new Client({ base, token, connect, ...(await tabIdentity()) });
  if (!connect) return client;
  // As in the original page: `debug` records the stream.
  client.speaker.state.setState({ record: params.debug });
  void loadServerInfo(base);
  if (params.view === 'overlay' || params.view === 'presenter') {
    void watch(client, params);
  } else if (params.autoJoin) {
    // As in the original page: who joins by the address alone may speak as well as listen.
    const role = params.role ?? 'speaker';
    void enterRoom(client, {
      roomID: params.roomID,
      role,
      lang: params.lang,
      lockName: params.enableServerLock && role === 'speaker' ? 'Speaker' : null,
      hear: preferences.getState().wantSpeech,
    });
  }
  return client;
}
