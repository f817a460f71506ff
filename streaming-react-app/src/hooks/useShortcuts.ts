import { useEffect } from 'react';
import type { Client } from '../app/client';
import { CAPTION_SIZES } from './useCaptionSize';
import { preferences } from '../state/preferences';

/** Keys belong to what one types into first. */
function taken(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return true;
  const target = event.target as Element;
  return target.closest('input, select, textarea, dialog, [role=menu]') !== null;
}

/** M mutes, the space bar is push-to-talk where that is chosen, + and - size, ? shows all of it. */
export function useShortcuts(client: Client, size: number, help: () => void): void {
  useEffect(() => {
    const { speaker } = client;
    const live = () => speaker.state.getState().phase === 'live';
    const talks = () => {
      const { sourceKind } = speaker.state.getState();
      const heard = sourceKind === 'microphone' || sourceKind === 'tab';
      return heard && preferences.getState().pushToTalk && live();
    };
    let held = false;
    const release = () => {
      if (held) speaker.setMuted(true);
      held = false;
    };
    const down = (event: KeyboardEvent) => {
      if (taken(event)) return;
      if (event.key === ' ' && talks()) {
        // Not the button that has the focus: after "Go live" that is "Mute".
        event.preventDefault();
        if (!event.repeat) speaker.setMuted(false);
        held = true;
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
      if (event.key !== ' ' || !held) return;
      event.preventDefault();
      release();
    };
    window.addEventListener('keydown', down);
    window.addEventListener('keyup', up);
    // Another window gets the key's end.
    window.addEventListener('blur', release);
    return () => {
      window.removeEventListener('keydown', down);
      window.removeEventListener('keyup', up);
      window.removeEventListener('blur', release);
      release();
    };
  }, [client, size, help]);
}
