/** Reads sentences aloud by the device's own voice, one after the other (Web Speech API). */
import { languageTag } from '../languages/languages';
import type { Line } from '../transcript/transcript';

export const hasDeviceVoice = (): boolean => 'speechSynthesis' in window;

const primary = (tag: string): string => tag.split(/[-_]/)[0]?.toLowerCase() ?? '';

/** Whether the device has a voice for a language; null while it does not tell. */
export function speaksOnDevice(language: string): boolean | null {
  const voices = hasDeviceVoice() ? window.speechSynthesis.getVoices() : [];
  if (voices.length === 0) return null;
  const wanted = primary(languageTag(language));
  return voices.some((voice) => primary(voice.lang) === wanted);
}

export class DeviceVoice {
  /** Sentences that were there before, or were read already. */
  private readonly known = new Set<string>();
  private wanted: string | null = null;

  /**
   * What was written so far is not read again when the voice is switched on.
   *
   * @param wanted What is read, in any words; another value ends what is being said. Null is nothing.
   */
  want(wanted: string | null, lines: readonly Line[]): void {
    if (wanted === this.wanted) return;
    if (this.wanted !== null) window.speechSynthesis.cancel();
    this.wanted = wanted;
    for (const line of lines) this.known.add(line.key);
  }

  /**
   * Reads the sentences that were finished since; the browser keeps them in line.
   *
   * @param silent Whether nobody else speaks this line.
   */
  read(
    lines: readonly Line[],
    silent: (line: Line) => boolean,
    { volume, speed }: { volume: number; speed: number },
  ): void {
    if (this.wanted === null) return;
    for (const line of lines) {
      if (!line.finished || this.known.has(line.key)) continue;
      this.known.add(line.key);
      if (line.text.trim() === '' || !silent(line)) continue;
      const spoken = new SpeechSynthesisUtterance(line.text);
      spoken.lang = languageTag(line.lang);
      spoken.volume = Math.min(1, volume);
      spoken.rate = speed;
      window.speechSynthesis.speak(spoken);
    }
  }
}
