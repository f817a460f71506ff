/** The interface's words. English is part of the page; the others load when they are chosen. */
import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';
import { preferences } from '../state/preferences';
import en from './en.json';

export const UI_LANGUAGES = {
  en: 'English',
  es: 'Español',
  fr: 'Français',
  de: 'Deutsch',
} as const;
export type UiLanguage = keyof typeof UI_LANGUAGES;

const LOADERS: Record<Exclude<UiLanguage, 'en'>, () => Promise<{ default: unknown }>> = {
  es: () => import('./es.json'),
  fr: () => import('./fr.json'),
  de: () => import('./de.json'),
};

declare module 'i18next' {
  interface CustomTypeOptions {
    resources: { translation: typeof en };
  }
}

/** The first language of the list that the interface has. */
export function chooseUiLanguage(wanted: readonly (string | null)[]): UiLanguage {
  for (const tag of wanted) {
    const language = tag?.slice(0, 2).toLowerCase();
    if (language && language in UI_LANGUAGES) return language as UiLanguage;
  }
  return 'en';
}

export async function setUiLanguage(language: UiLanguage): Promise<void> {
  if (language !== 'en' && !i18next.hasResourceBundle(language, 'translation')) {
    const words = await LOADERS[language]();
    i18next.addResourceBundle(language, 'translation', words.default);
  }
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
}

export async function startI18n(urlLanguage: string | null): Promise<void> {
  await i18next.use(initReactI18next).init({
    resources: { en: { translation: en } },
    lng: 'en',
    fallbackLng: 'en',
    // React escapes what it shows.
    interpolation: { escapeValue: false },
  });
  const saved = preferences.getState().uiLanguage;
  await setUiLanguage(chooseUiLanguage([urlLanguage, saved, ...navigator.languages]));
}
