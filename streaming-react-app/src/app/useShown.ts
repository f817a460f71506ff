import { useMemo } from 'react';
import { useStore } from '../state/store';
import { shownLines, spokenLanguage, wantedLanguage } from '../transcript/shown';
import type { ShownLine } from '../transcript/shown';
import { useClient } from './client';

/** What this member reads: of each sentence the language that it wants. */
export function useShown(): ShownLine[] {
  const { room, listener } = useClient();
  const state = useStore(room.view, (view) => view.state);
  const lines = useStore(listener.transcript, (transcript) => transcript.lines);
  const { language, follows, heard } = useStore(listener.state);
  return useMemo(
    () =>
      shownLines(
        lines,
        wantedLanguage(follows ? null : language, state, lines),
        heard ? spokenLanguage(state) : undefined,
      ),
    [lines, language, follows, heard, state],
  );
}
