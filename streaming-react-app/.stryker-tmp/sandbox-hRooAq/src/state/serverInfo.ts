/** What the server offers: languages, phrases, clips; and whether its models are loaded. */
// @ts-nocheck

import {
  fetchAddress,
  fetchClips,
  fetchLanguages,
  fetchOptions,
  fetchPhrases,
  fetchReadiness,
} from '../net/api';
import type { Clip, Phrase, Readiness, StreamOption } from '../net/api';
import type { Language } from '../languages/languages';
import { values } from './store';

export interface ServerInfo {
  languages: Language[];
  phrases: Phrase[];
  clips: Clip[];
  options: StreamOption[];
  readiness: Readiness | null;
  /** Where others reach the server. */
  address: string | null;
}

export const serverInfo = values<ServerInfo>({
  languages: [],
  phrases: [],
  clips: [],
  options: [],
  readiness: null,
  address: null,
});

const ASK_AGAIN_MS = 1500;

/** Reads all of it; asks again until the models are loaded. */
export async function loadServerInfo(base: string): Promise<void> {
  const readiness = await fetchReadiness(base).catch(() => null);
  const [languages, address] = await Promise.allSettled([fetchLanguages(base), fetchAddress(base)]);
  serverInfo.setState({
    readiness,
    ...(languages.status === 'fulfilled' ? { languages: languages.value } : {}),
    ...(address.status === 'fulfilled' ? { address: address.value } : {}),
  });
  // A model that failed may be mended and the server restarted: keep looking, less often.
  const pause = readiness?.error ? 10 * ASK_AGAIN_MS : ASK_AGAIN_MS;
  if (!readiness?.ready) setTimeout(() => void loadServerInfo(base), pause);
}

/** What only speakers need: phrases and recordings to try, and what they may ask of a stream. */
export async function loadSamples(base: string): Promise<void> {
  const [phrases, clips, options] = await Promise.allSettled([
    fetchPhrases(base),
    fetchClips(base),
    fetchOptions(base),
  ]);
  serverInfo.setState({
    ...(phrases.status === 'fulfilled' ? { phrases: phrases.value } : {}),
    ...(clips.status === 'fulfilled' ? { clips: clips.value } : {}),
    ...(options.status === 'fulfilled' ? { options: options.value } : {}),
  });
}
