// @ts-nocheck
import { useCallback, useMemo } from 'react';
import { useTranslation } from '../i18n';
import { useStore } from '../state/store';
import { useClient } from './client';
import { heardSpeakers, speakerName } from './people';

/** Names of those who speak, and whether there are several. */
export function useNames() {
  const { t } = useTranslation();
  const { room, listener } = useClient();
  const roomState = useStore(room.view, (view) => view.state);
  const lines = useStore(listener.transcript, (transcript) => transcript.lines);
  // The list changes with every word, the speakers hardly ever: compare by value.
  const joined = heardSpeakers(lines).join('\n');
  const heard = useMemo(() => (joined === '' ? [] : joined.split('\n')), [joined]);
  const nameOf = useCallback(
    (id: string) =>
      speakerName(roomState, room.me, heard, id, {
        you: t('captions.you'),
        speaker: (number) => t('captions.speaker', { number }),
      }),
    [roomState, room.me, heard, t],
  );
  const several = new Set([...heard, ...(roomState?.speakers ?? [])]).size > 1;
  return { nameOf, several };
}
