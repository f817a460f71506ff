import { ChevronDown, Languages } from 'lucide-react';
import { useState } from 'react';
import { direction, languageTag, nativeName } from '../languages/languages';
import { later } from '../app/later';
import type { PickerProps } from './LanguageDialog';

/** The list is long and its search knows many names: it comes when it is opened. */
const LanguageDialog = later(() => import('./LanguageDialog'));

/** The chosen language; a click opens the list. */
export function LanguagePicker(props: PickerProps) {
  const { label, languages, value, none } = props;
  const [open, setOpen] = useState(false);
  const chosen = languages.find((language) => language.code === value);
  const name = chosen ? nativeName(chosen) : value === null ? (none ?? '…') : value;
  return (
    <>
      <button
        type="button"
        className="pick"
        aria-haspopup="dialog"
        aria-label={`${label}: ${name}`}
        onClick={() => setOpen(true)}
      >
        <Languages size={20} aria-hidden="true" />
        <span>
          <small>{label}</small>
          <b lang={chosen && languageTag(chosen.code)} dir={chosen && direction(chosen)}>
            {name}
          </b>
        </span>
        <ChevronDown size={18} aria-hidden="true" />
      </button>
      {open && <LanguageDialog {...props} onClose={() => setOpen(false)} />}
    </>
  );
}
