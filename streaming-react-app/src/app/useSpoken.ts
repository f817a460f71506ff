import { useMemo } from 'react';
import { useStore } from '../state/store';
import type { Line } from '../transcript/transcript';
import { useClient } from './client';
import { modelOf, modelsInRoom } from './models';

type Spoken = (line: Pick<Line, 'speakerID' | 'lang'>) => boolean;

export interface WhatSounds {
  /** The language that is read: the chosen one, or the one that comes. */
  language: string | null;
  /** A model here speaks it. */
  speaks: boolean;
  /** Whether the model of a line's speaker speaks its language. */
  spoken: Spoken;
}

/** What of the translation is spoken, and what is only written. */
export function useSpoken(lines: readonly Line[]): WhatSounds {
  const { room, listener } = useClient();
  const agents = useStore(room.server, ({ state }) => state?.agentsCapabilities);
  const state = useStore(room.view, (view) => view.state);
  const { language: chosen, follows } = useStore(listener.state);
  const coming = lines.at(-1)?.lang ?? null;
  const language = follows ? coming : (chosen ?? coming);
  return useMemo(() => {
    const all = agents ?? [];
    const here = modelsInRoom(all, state);
    const able = here.length > 0 ? here : all;
    return {
      language,
      speaks: language === null || able.some((model) => model.speechLangs.includes(language)),
      spoken: ({ speakerID, lang }) => {
        const own = modelOf(all, state, speakerID);
        return (own ? [own] : all).some((model) => model.speechLangs.includes(lang));
      },
    };
  }, [agents, state, language]);
}
