import { describe, expect, it } from 'vitest';
import type { Member, RoomState } from '../wire/messages';
import { heardSpeakers, listenersByLanguage, speakerName } from './people';

function member(id: string, more: Partial<Member> = {}): Member {
  return {
    client_id: id,
    session_id: null,
    name: null,
    connection_status: 'connected',
    transcoder: false,
    requested_output_type: null,
    transcoder_dynamic_config: null,
    roles: ['listener'],
    listener_config: null,
    model: null,
    ...more,
  };
}

const members = [member('me'), member('c', { name: ' Cleo ' })];
const room: RoomState = {
  room_id: 'ABCD',
  members: Object.fromEntries(members.map((item) => [item.client_id, item])),
  listeners: ['me', 'c'],
  speakers: ['me'],
  activeTranscoders: 1,
  owner: null,
  hasPasscode: false,
  closed: false,
  speakersClosed: false,
  complete: false,
  counts: { members: 300, connected: 299, speakers: 1, listeners: 300 },
  // Of a crowd only those who speak are named.
  listening: [
    { targetLanguage: null, count: 2 },
    { targetLanguage: 'deu', count: 250 },
    { targetLanguage: 'fra', count: 1 },
  ],
};
const words = { you: 'You', speaker: (n: number) => `Speaker ${String(n)}` };

describe('people', () => {
  it('counts those who listen, without me', () => {
    expect(listenersByLanguage(room, 'me')).toEqual([
      { language: 'deu', count: 250 },
      { language: null, count: 1 },
      { language: 'fra', count: 1 },
    ]);
    const french = member('me', { listener_config: { targetLanguage: 'fra', output: 's2t' } });
    expect(listenersByLanguage({ ...room, members: { me: french } }, 'me')).toEqual([
      { language: 'deu', count: 250 },
      { language: null, count: 2 },
    ]);
    expect(listenersByLanguage(null, 'me')).toEqual([]);
  });

  it('names speakers', () => {
    const heard = heardSpeakers([{ speakerID: 'x' }, { speakerID: 'c' }, { speakerID: 'x' }]);
    expect(heard).toEqual(['x', 'c']);
    const name = (id: string) => speakerName(room, 'me', heard, id, words);
    expect([name('c'), name('me'), name('x')]).toEqual(['Cleo', 'You', 'Speaker 1']);
  });
});
