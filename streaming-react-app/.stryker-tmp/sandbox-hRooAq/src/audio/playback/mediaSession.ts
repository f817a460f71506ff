/** The lock screen's controls: what is heard, and pausing it. */
// @ts-nocheck

import { wavFile } from '../../transcript/wav';

/** Long enough for browsers to count it as media; it is silent, and never leaves this page. */
const SILENCE_SECONDS = 10;
const RATE = 8000;

let carrier: HTMLAudioElement | null = null;

/** Browsers show these controls for media elements only: a silent one carries them. */
export function showOnLockScreen(
  title: string,
  artist: string,
  actions: { play: () => void; pause: () => void },
): void {
  if (!('mediaSession' in navigator)) return;
  if (!carrier) {
    const silence = wavFile([new ArrayBuffer(2 * RATE * SILENCE_SECONDS)], RATE);
    carrier = new Audio(URL.createObjectURL(new Blob([silence], { type: 'audio/wav' })));
    carrier.loop = true;
  }
  navigator.mediaSession.metadata = new MediaMetadata({ title, artist });
  navigator.mediaSession.setActionHandler('play', actions.play);
  navigator.mediaSession.setActionHandler('pause', actions.pause);
  // Without a click so far browsers refuse: it starts with the next one.
  carrier.play().catch(() => undefined);
}

export function leaveLockScreen(): void {
  carrier?.pause();
}
