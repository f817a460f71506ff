/** Who is in a room, as people want to see it. */
import type { RoomState } from '../wire/messages';

/** Others who listen now, by language (null: whatever the speaker chose), most first. */
export function listenersByLanguage(
  room: RoomState | null,
  me: string,
): { language: string | null; count: number }[] {
  const own = room?.members[me];
  const listens = own?.connection_status === 'connected' && own.roles.includes('listener');
  const mine = own?.listener_config?.['targetLanguage'] ?? null;
  return (room?.listening ?? [])
    .map(({ targetLanguage, count }) => ({
      language: targetLanguage,
      count: listens && targetLanguage === mine ? count - 1 : count,
    }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count);
}

export interface NameWords {
  you: string;
  speaker: (number: number) => string;
}

/** A speaker's name: its own, "you", or a number in the order in which speakers were heard. */
export function speakerName(
  room: RoomState | null,
  me: string,
  heard: readonly string[],
  id: string,
  words: NameWords,
): string {
  const name = room?.members[id]?.name?.trim();
  if (name) return name;
  return id === me ? words.you : words.speaker(heard.indexOf(id) + 1);
}

/** Whether somebody else's own voice can be heard. */
export const sendsVoice = (room: RoomState | null, me: string): boolean =>
  Object.values(room?.members ?? {}).some(
    (member) => member.client_id !== me && member.transcoder_dynamic_config?.['sendVoice'] === true,
  );

/** Speakers in the order in which they were first heard. */
export function heardSpeakers(lines: readonly { speakerID: string }[]): string[] {
  return [...new Set(lines.map((line) => line.speakerID))];
}
