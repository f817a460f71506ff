// @ts-nocheck
import { useSyncExternalStore } from 'react';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';

export const CAPTION_SIZES = { min: 16, max: 120 } as const;

/** Larger on larger screens: a phone is near, a projector far. */
export function automaticSize(windowWidth: number): number {
  return Math.round(Math.min(80, Math.max(22, 14 + 0.014 * windowWidth)));
}

function subscribe(changed: () => void): () => void {
  window.addEventListener('resize', changed);
  return () => window.removeEventListener('resize', changed);
}

/** The size of captions in px: the chosen one, or one that suits the window. */
export function useCaptionSize(): number {
  const chosen = useStore(preferences, (prefs) => prefs.captionSize);
  const automatic = useSyncExternalStore(subscribe, () => automaticSize(window.innerWidth));
  return chosen || automatic;
}
