/** Reads sentences aloud by the device's own voice, one after the other (Web Speech API). */
// @ts-nocheck

import { languageTag } from '../languages/languages';
import type { Line } from '../transcript/transcript';

export const hasDeviceVoice = (): boolean => 'speechSynthesis' in window;

export class DeviceVoice {
  /** Sentences that were there before, or were read already. */
  private readonly known = new Set<string>();
  private wanted = false;

  /** What was written so far is not read again when the voice is switched on. */
  want(wanted: boolean, lines: readonly Line[]): void {
    if (wanted === this.wanted) return;
    this.wanted = wanted;
    if (!wanted) window.speechSynthesis.cancel();
    for (const line of lines) this.known.add(line.key);
  }

  /** Reads the sentences that were finished since; the browser keeps them in line. */
  read(lines: readonly Line[], language: string): void {
    if (!this.wanted) return;
    for (const line of lines) {
      if (!line.finished || line.lang !== language || this.known.has(line.key)) continue;
      this.known.add(line.key);
      const spoken = new SpeechSynthesisUtterance(line.text);
      spoken.lang = languageTag(language);
      window.speechSynthesis.speak(spoken);
    }
  }
}
