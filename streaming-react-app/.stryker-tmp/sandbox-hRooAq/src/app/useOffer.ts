// @ts-nocheck
import { useMemo } from 'react';
import type { Language } from '../languages/languages';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';
import { useClient } from './client';

export interface Offer {
  source: Language[];
  text: Language[];
  speech: Set<string>;
}

function pick(codes: Iterable<string>, all: readonly Language[]): Language[] {
  const known = new Map(all.map((language) => [language.code, language]));
  return [...new Set(codes)]
    .map(
      (code) =>
        known.get(code) ?? {
          code,
          name: code,
          script: 'Latn',
          sourceSpeech: true,
          targetText: true,
          targetSpeech: true,
        },
    )
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** The languages that the served models hear, write and speak. */
export function useOffer(): Offer {
  const { room } = useClient();
  const agents = useStore(room.server, ({ state }) => state?.agentsCapabilities);
  const languages = useStore(serverInfo, (info) => info.languages);
  return useMemo(() => {
    const all = agents ?? [];
    return {
      source: pick(
        all.flatMap((agent) => agent.sourceLangs),
        languages,
      ),
      text: pick(
        all.flatMap((agent) => agent.targetLangs),
        languages,
      ),
      speech: new Set(all.flatMap((agent) => agent.speechLangs)),
    };
  }, [agents, languages]);
}

/** Tried first where nothing was chosen: most people know one of them. */
const COMMON = ['eng', 'spa', 'fra', 'deu'];

/**
 * The language to begin with: what was chosen before, else one that the model offers and that is
 * not the person's own (a translation into one's own words shows nothing).
 */
export function firstTarget(
  offered: readonly string[],
  saved: string | null,
  own: string,
): string | null {
  if (saved !== null && offered.includes(saved)) return saved;
  const common = COMMON.filter((code) => offered.includes(code));
  return [...common, ...offered].find((code) => code !== own) ?? offered[0] ?? null;
}
