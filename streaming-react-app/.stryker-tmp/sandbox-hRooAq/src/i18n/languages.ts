/** The languages of the page itself, by their own names. */
// @ts-nocheck

export const UI_LANGUAGES = {
  ar: 'العربية',
  de: 'Deutsch',
  en: 'English',
  es: 'Español',
  fr: 'Français',
  id: 'Bahasa Indonesia',
  it: 'Italiano',
  ja: '日本語',
  nl: 'Nederlands',
  pl: 'Polski',
  pt: 'Português',
  ru: 'Русский',
  sv: 'Svenska',
  tr: 'Türkçe',
  uk: 'Українська',
  vi: 'Tiếng Việt',
  zh: '中文',
} as const;

export type UiLanguage = keyof typeof UI_LANGUAGES;

export const isRightToLeft = (language: string): boolean => ['ar', 'fa', 'he'].includes(language);
