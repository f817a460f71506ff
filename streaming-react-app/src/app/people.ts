/** Who is in a room, as people want to see it. */
import type { Member, RoomState } from '../wire/messages';

/** The language that a member reads, or null for the speaker's choice. */
function languageOf(member: Member): string | null {
  const language = member.listener_config?.['targetLanguage'];
  return typeof language === 'string' ? language : null;
}

/** Others who listen now, by language (null: whatever the speaker chose), most first. */
export function listenersByLanguage(
  room: RoomState | null,
  me: string,
): { language: string | null; count: number }[] {
  const counts = new Map<string | null, number>();
  for (const id of room?.listeners ?? []) {
    const member = room?.members[id];
    if (!member || id === me || member.connection_status !== 'connected') continue;
    const language = languageOf(member);
    counts.set(language, (counts.get(language) ?? 0) + 1);
  }
  return [...counts]
    .map(([language, count]) => ({ language, count }))
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

/** Speakers in the order in which they were first heard. */
export function heardSpeakers(lines: readonly { speakerID: string }[]): string[] {
  return [...new Set(lines.map((line) => line.speakerID))];
}
