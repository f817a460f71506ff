import { Check } from 'lucide-react';
import { useEffect, useId, useMemo, useRef, useState } from 'react';
import type { KeyboardEvent } from 'react';
import { useTranslation } from '../i18n';
import {
  direction,
  languageTag,
  localName,
  nativeName,
  readLanguages,
  searchLanguages,
} from '../languages/languages';
import type { Language } from '../languages/languages';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import { Dialog } from '../ui/Dialog';

const MOST_RECENT = 4;
/** In a list as short as this nobody needs a selection of it. */
const SHORT_LIST = 10;

export interface PickerProps {
  label: string;
  languages: readonly Language[];
  value: string | null;
  onChange: (code: string | null) => void;
  /** What "no language" means; without it a language must be chosen. */
  none?: string;
}

interface Row {
  code: string | null;
  language: Language | null;
}

/** Recently used and likely languages first; the others by their own names. */
export function likelyLanguages(
  languages: readonly Language[],
  recent: readonly string[],
  tags: readonly string[],
): Language[] {
  const codes = languages.map((language) => language.code);
  const wanted = new Set([
    ...recent.filter((code) => codes.includes(code)),
    ...readLanguages(codes, tags),
  ]);
  return [...wanted].flatMap((code) => languages.find((language) => language.code === code) ?? []);
}

export default function LanguageDialog(props: PickerProps & { onClose: () => void }) {
  const { label, languages, value, onChange, none, onClose } = props;
  const { t, language: ui } = useTranslation();
  const id = useId();
  const search = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const [query, setQuery] = useState('');
  /** What the keyboard is at; the chosen one until somebody types or moves. */
  const [moved, setActive] = useState<number | null>(null);
  const recent = useStore(preferences, (prefs) => prefs.recentLanguages);
  const groups = useMemo(() => {
    const rows = (all: readonly Language[]): Row[] =>
      all.map((language) => ({ code: language.code, language }));
    if (query.trim() !== '') {
      return [{ heading: null, rows: rows(searchLanguages(languages, query, ui)) }];
    }
    const first: Row[] = none === undefined ? [] : [{ code: null, language: null }];
    const likely =
      languages.length > SHORT_LIST
        ? likelyLanguages(languages, recent.split(' '), navigator.languages)
        : [];
    const others = languages
      .filter((language) => !likely.includes(language))
      .sort((a, b) => nativeName(a).localeCompare(nativeName(b)));
    return [
      { heading: null, rows: first },
      { heading: likely.length > 0 ? t('listen.likely') : null, rows: rows(likely) },
      { heading: likely.length > 0 ? t('listen.all') : null, rows: rows(others) },
    ];
  }, [languages, query, none, recent, ui, t]);
  const all = groups.flatMap((group) => group.rows);
  const active =
    moved ??
    Math.max(
      0,
      all.findIndex((row) => row.code === value),
    );

  useEffect(() => {
    // On a phone the screen's keyboard would hide the list.
    if (!window.matchMedia('(pointer: coarse)').matches) search.current?.focus();
  }, []);

  useEffect(() => {
    list.current?.querySelector('.active')?.scrollIntoView({ block: 'nearest' });
  }, [active]);

  const choose = (row: Row | undefined) => {
    if (!row) return;
    if (row.code !== null) {
      const others = recent.split(' ').filter((code) => code !== row.code && code !== '');
      const now = [row.code, ...others].slice(0, MOST_RECENT).join(' ');
      preferences.setState({ recentLanguages: now });
    }
    onClose();
    onChange(row.code);
  };
  const key = (event: KeyboardEvent) => {
    if (event.key === 'Enter') {
      event.preventDefault();
      choose(all[active]);
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      const step = event.key === 'ArrowDown' ? 1 : -1;
      setActive((active + step + all.length) % Math.max(1, all.length));
    }
  };

  let at = -1;
  return (
    <Dialog title={label} onClose={onClose} className="languages-dialog">
      <div className="field">
        <label htmlFor={id}>{t('listen.search')}</label>
        <input
          ref={search}
          id={id}
          type="text"
          role="combobox"
          aria-expanded="true"
          aria-controls={`${id}-list`}
          aria-activedescendant={all[active] ? `${id}-${String(active)}` : undefined}
          autoComplete="off"
          spellCheck={false}
          value={query}
          onKeyDown={key}
          onChange={(event) => {
            setQuery(event.target.value);
            setActive(0);
          }}
        />
      </div>
      <div className="languages">
        {all.length === 0 && <p className="hint">{t('listen.noMatch')}</p>}
        <ul
          ref={list}
          id={`${id}-list`}
          className="language-list"
          role="listbox"
          aria-label={label}
        >
          {groups.flatMap((group, g) => [
            ...(group.heading
              ? [
                  <li key={`heading-${String(g)}`} className="heading" role="presentation">
                    {group.heading}
                  </li>,
                ]
              : []),
            ...group.rows.map((row) => {
              at += 1;
              const index = at;
              const { code, language } = row;
              return (
                // The keyboard is at the field above, which names the active option.
                // eslint-disable-next-line jsx-a11y/click-events-have-key-events
                <li
                  key={code ?? 'none'}
                  id={`${id}-${String(index)}`}
                  role="option"
                  aria-selected={code === value}
                  className={index === active ? 'active' : undefined}
                  data-code={code}
                  onClick={() => choose(row)}
                >
                  {language ? (
                    <>
                      <span lang={languageTag(language.code)} dir={direction(language)}>
                        {nativeName(language)}
                      </span>
                      <small>{localName(language, ui)}</small>
                    </>
                  ) : (
                    none
                  )}
                  {code === value && <Check size={18} aria-hidden="true" />}
                </li>
              );
            }),
          ])}
        </ul>
      </div>
    </Dialog>
  );
}
