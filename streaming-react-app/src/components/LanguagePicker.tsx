import Autocomplete from '@mui/material/Autocomplete';
import TextField from '@mui/material/TextField';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import {
  direction,
  languageTag,
  localName,
  nativeName,
  searchLanguages,
} from '../languages/languages';
import type { Language } from '../languages/languages';

interface Props {
  label: string;
  languages: readonly Language[];
  value: string | null;
  onChange: (code: string | null) => void;
  /** What "no language" means; without it a language must be chosen. */
  none?: string;
  size?: 'small' | 'medium';
}

const NONE: Language = {
  code: '',
  name: '',
  script: 'Latn',
  sourceSpeech: false,
  targetText: false,
  targetSpeech: false,
};

/** Finds a language by its English name, its own name, or its name in the interface's language. */
export function LanguagePicker({ label, languages, value, onChange, none, size }: Props) {
  const { t, i18n } = useTranslation();
  const ui = i18n.language;
  const options = useMemo(
    () => (none === undefined ? [...languages] : [NONE, ...languages]),
    [languages, none],
  );
  const chosen =
    options.find((language) => language.code === (value ?? '')) ??
    (value === null ? null : { ...NONE, code: value, name: value });
  const own = (language: Language) => (language === NONE ? (none ?? '') : nativeName(language));
  return (
    <Autocomplete
      size={size ?? 'small'}
      fullWidth
      autoHighlight
      disableClearable={none === undefined}
      openOnFocus
      options={options}
      value={chosen as Language}
      onChange={(_event, language: Language | null) => onChange(language?.code || null)}
      getOptionLabel={own}
      getOptionKey={(language) => language.code}
      isOptionEqualToValue={(a, b) => a.code === b.code}
      filterOptions={(all, { inputValue }) =>
        inputValue === '' || (chosen !== null && inputValue === own(chosen))
          ? all
          : searchLanguages(
              all.filter((language) => language !== NONE),
              inputValue,
              ui,
            )
      }
      noOptionsText={t('listen.noMatch')}
      renderOption={({ key, ...props }, language) => (
        <li key={key} {...props} data-code={language.code}>
          <span lang={languageTag(language.code)} dir={direction(language)}>
            {own(language)}
          </span>
          {language !== NONE && <span className="option-hint">{localName(language, ui)}</span>}
        </li>
      )}
      renderInput={(params) => <TextField {...params} label={label} />}
    />
  );
}
