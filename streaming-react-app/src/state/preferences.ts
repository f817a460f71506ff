/** What this person likes, kept in the browser. */
import { values } from './store';

export type ThemeChoice = 'system' | 'light' | 'dark' | 'contrast';
export type Announce = 'sentences' | 'phrases' | 'off';

export interface Preferences {
  theme: ThemeChoice;
  uiLanguage: string | null;
  /** Size of captions, in px; 0 follows the window. */
  captionSize: number;
  volume: number;
  keepAwake: boolean;
  announce: Announce;
  name: string;
  /** Code; '' is the speaker's choice; null was never chosen. */
  listenLanguage: string | null;
  /** Codes, latest first, with spaces between. */
  recentLanguages: string;
  speakLanguage: string | null;
  targetLanguage: string | null;
  wantText: boolean;
  wantSpeech: boolean;
  /** What was heard stands below the translation. */
  heard: boolean;
  heardSpeaking: boolean;
  deviceId: string | null;
  noiseSuppression: boolean;
  echoCancellation: boolean;
  tabNoiseSuppression: boolean;
  tabEchoCancellation: boolean;
  /** How fast speech is played at least. */
  speed: number;
  outputDevice: string | null;
  pushToTalk: boolean;
  letters: boolean;
  deviceVoice: boolean;
  /** From sooner to steadier: the decision threshold; 0 is the model's own. */
  pace: number;
  ownVoice: boolean;
  /** Of the model's voices for a language; the first is 1. */
  voice: number;
  /** Listeners may hear this speaker as it speaks. */
  sendVoice: boolean;
  /** Speakers who send their voice are heard under the translation. */
  original: boolean;
  /** The card that shows what to try first was closed. */
  firstRun: boolean;
}

const KEY = 'seamless.preferences';

const DEFAULTS: Preferences = {
  theme: 'system',
  uiLanguage: null,
  captionSize: 0,
  volume: 1,
  keepAwake: true,
  announce: 'sentences',
  name: '',
  listenLanguage: null,
  recentLanguages: '',
  speakLanguage: null,
  targetLanguage: null,
  wantText: true,
  // A hall of phones stays quiet until somebody asks for sound.
  wantSpeech: false,
  heard: false,
  heardSpeaking: true,
  deviceId: null,
  noiseSuppression: true,
  echoCancellation: true,
  tabNoiseSuppression: false,
  tabEchoCancellation: false,
  speed: 1,
  outputDevice: null,
  pushToTalk: false,
  letters: false,
  deviceVoice: false,
  pace: 0,
  ownVoice: false,
  voice: 1,
  sendVoice: false,
  original: false,
  firstRun: true,
};

/** Takes over what is known and of the right type; the rest keeps its default. */
export function readPreferences(saved: string | null): Preferences {
  const result: Record<string, unknown> = { ...DEFAULTS };
  try {
    const known = JSON.parse(saved ?? '{}') as Record<string, unknown>;
    for (const [key, fallback] of Object.entries(DEFAULTS)) {
      const value = known[key];
      if (typeof value === typeof fallback || (fallback === null && typeof value === 'string')) {
        result[key] = value;
      }
    }
  } catch {
    // Unreadable preferences are no preferences.
  }
  return result as unknown as Preferences;
}

function stored(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export const preferences = values<Preferences>(readPreferences(stored()));

preferences.subscribe((state) => {
  try {
    localStorage.setItem(KEY, JSON.stringify(state));
  } catch {
    // Private windows may refuse: the preferences then last as long as the page.
  }
});
