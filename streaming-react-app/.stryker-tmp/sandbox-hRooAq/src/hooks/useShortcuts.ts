// @ts-nocheck
import { useEffect } from 'react';
import type { Client } from '../app/client';
import { CAPTION_SIZES } from './useCaptionSize';
import { preferences } from '../state/preferences';

/** Keys belong to what one types into, and to buttons, first. */
function taken(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return true;
  const target = event.target as Element;
  return target.closest('input, select, textarea, dialog, [role=menu]') !== null;
}

const onButton = (event: KeyboardEvent) => (event.target as Element).closest('button, a') !== null;

/** M mutes, the space bar is push-to-talk where that is chosen, + and - size, ? shows all of it. */
export function useShortcuts(client: Client, size: number, help: () => void): void {
  useEffect(() => {
    const { speaker } = client;
    const live = () => speaker.state.getState().phase === 'live';
    const pushes = (event: KeyboardEvent) =>
      event.key === ' ' && preferences.getState().pushToTalk && live() && !onButton(event);
    const down = (event: KeyboardEvent) => {
      if (taken(event)) return;
      if (pushes(event)) {
        event.preventDefault();
        if (!event.repeat) speaker.setMuted(false);
      } else if (event.key.toLowerCase() === 'm' && live()) {
        speaker.setMuted(!speaker.state.getState().muted);
      } else if (event.key === '?') help();
      else if (event.key === '+' || event.key === '-') {
        const next = size + (event.key === '+' ? 4 : -4);
        const captionSize = Math.min(CAPTION_SIZES.max, Math.max(CAPTION_SIZES.min, next));
        preferences.setState({ captionSize });
      }
    };
    const up = (event: KeyboardEvent) => {
      if (!taken(event) && pushes(event)) speaker.setMuted(true);
    };
    window.addEventListener('keydown', down);
    window.addEventListener('keyup', up);
    return () => {
      window.removeEventListener('keydown', down);
      window.removeEventListener('keyup', up);
    };
  }, [client, size, help]);
}
