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
    ...more,
  };
}

const members = [
  member('me'),
  member('a', { listener_config: { targetLanguage: 'deu', output: 's2t' } }),
  member('b', { listener_config: { targetLanguage: 'deu', output: 's2t' } }),
  member('c', { name: ' Cleo ' }),
  member('d', { connection_status: 'disconnected' }),
];
const room: RoomState = {
  room_id: 'ABCD',
  members: Object.fromEntries(members.map((item) => [item.client_id, item])),
  listeners: ['me', 'a', 'b', 'c', 'd', 'unknown'],
  speakers: ['me'],
  activeTranscoders: 1,
  owner: null,
  hasPasscode: false,
  closed: false,
};
const words = { you: 'You', speaker: (n: number) => `Speaker ${String(n)}` };

describe('people', () => {
  it('counts those who listen, without me and without the absent', () => {
    expect(listenersByLanguage(room, 'me')).toEqual([
      { language: 'deu', count: 2 },
      { language: null, count: 1 },
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
