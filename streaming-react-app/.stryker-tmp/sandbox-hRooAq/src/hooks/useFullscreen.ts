// @ts-nocheck
import { useCallback, useSyncExternalStore } from 'react';

function subscribe(changed: () => void): () => void {
  document.addEventListener('fullscreenchange', changed);
  return () => document.removeEventListener('fullscreenchange', changed);
}

export function useFullscreen() {
  const active = useSyncExternalStore(subscribe, () => document.fullscreenElement !== null);
  const toggle = useCallback(() => {
    const done = document.fullscreenElement
      ? document.exitFullscreen()
      : document.documentElement.requestFullscreen();
    // Refused (an embedded page, a phone that has none): the page stays as it is.
    done.catch(() => undefined);
  }, []);
  // Phones by Apple have no such function.
  const possible = typeof document.documentElement.requestFullscreen === 'function';
  return { active, possible, toggle };
}
