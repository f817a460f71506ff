import { useMemo } from 'react';
import type { Language } from '../languages/languages';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';
import type { Capability } from '../wire/messages';
import { useClient } from './client';
import { chosenModel, writtenOf } from './models';

export interface Offer {
  source: Language[];
  text: Language[];
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
    };
  }, [agents, languages]);
}

export interface SpeakerOffer {
  source: Language[];
  text: Language[];
  /** The model that makes the translation; null if none can. */
  model: Capability | null;
}

/** What this speaker can choose: with its model, else with the one that is found for it. */
export function useSpeakerOffer(): SpeakerOffer {
  const { room, speaker } = useClient();
  const agents = useStore(room.server, ({ state }) => state?.agentsCapabilities);
  const languages = useStore(serverInfo, (info) => info.languages);
  const { model, sourceLanguage, targetLanguage, output } = useStore(speaker.state);
  return useMemo(() => {
    const all = agents ?? [];
    const named = all.filter(({ name }) => name === model);
    const able = named.length > 0 ? named : all;
    return {
      source: pick(
        able.flatMap((agent) => agent.sourceLangs),
        languages,
      ),
      text: pick(writtenOf(able, sourceLanguage), languages),
      model: chosenModel(all, { model, sourceLanguage, targetLanguage, output }),
    };
  }, [agents, languages, model, sourceLanguage, targetLanguage, output]);
}
