/** The languages of the page itself, by their own names. */
export const UI_LANGUAGES = {
  de: 'Deutsch',
  en: 'English',
  es: 'Español',
  fr: 'Français',
  it: 'Italiano',
  nl: 'Nederlands',
  pl: 'Polski',
  pt: 'Português',
  ru: 'Русский',
  sv: 'Svenska',
  tr: 'Türkçe',
} as const;

export type UiLanguage = keyof typeof UI_LANGUAGES;

export const isRightToLeft = (language: string): boolean => ['ar', 'fa', 'he'].includes(language);
