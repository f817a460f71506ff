// @ts-nocheck
import { useSyncExternalStore } from 'react';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import type { Look } from './tokens';

function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (changed) => {
      const list = window.matchMedia(query);
      list.addEventListener('change', changed);
      return () => list.removeEventListener('change', changed);
    },
    () => window.matchMedia(query).matches,
  );
}

/** The look that was chosen, or the one that the system asks for. */
export function useLook(): Look {
  const choice = useStore(preferences, (state) => state.theme);
  const dark = useMedia('(prefers-color-scheme: dark)');
  const contrast = useMedia('(prefers-contrast: more)');
  if (choice !== 'system') return choice;
  if (contrast) return 'contrast';
  return dark ? 'dark' : 'light';
}
