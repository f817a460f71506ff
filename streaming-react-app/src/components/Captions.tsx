import Button from '@mui/material/Button';
import { ArrowDown } from 'lucide-react';
import { memo, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useStickToEnd } from '../hooks/useStickToEnd';
import { direction, languageTag } from '../languages/languages';
import type { Language } from '../languages/languages';
import type { Line } from '../transcript/transcript';

/** Lines that are drawn; older ones come on request. */
const DRAWN = 300;

interface LineProps {
  line: Line;
  language: Language | undefined;
  name: string | null;
  animate: boolean;
}

const CaptionLine = memo(function CaptionLine({ line, language, name, animate }: LineProps) {
  const tag = languageTag(line.lang);
  return (
    <p className={line.finished ? 'line' : 'line open'} data-lang={line.lang}>
      {name !== null && <span className="line-name">{name}</span>}
      <span lang={tag} dir={direction(language)} className="line-text">
        {line.text.slice(0, line.freshFrom)}
        <span key={line.freshFrom} className={animate ? 'fresh' : undefined}>
          {line.text.slice(line.freshFrom)}
        </span>
      </span>
    </p>
  );
});

interface Props {
  lines: readonly Line[];
  languages: readonly Language[];
  nameOf: (speakerID: string) => string;
  showNames: boolean;
  animate: boolean;
  label: string;
  empty: string;
}

/** The transcript: it follows what is said until the person scrolls up. */
export function Captions({ lines, languages, nameOf, showNames, animate, label, empty }: Props) {
  const { t } = useTranslation();
  const box = useRef<HTMLDivElement>(null);
  const [drawn, setDrawn] = useState(DRAWN);
  const { stuck, jump } = useStickToEnd(box, lines);
  const byCode = useMemo(
    () => new Map(languages.map((language) => [language.code, language])),
    [languages],
  );
  const shown = lines.slice(-drawn);
  return (
    <div className="captions-frame">
      {/* The log announces itself through the page's own live region, at the pace chosen there. */}
      <div
        ref={box}
        className="captions"
        role="log"
        aria-live="off"
        aria-label={label}
        // A scrolling region must be reachable by keyboard.
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
      >
        <div className="captions-column">
          {lines.length === 0 && <p className="captions-empty">{empty}</p>}
          {shown.length < lines.length && (
            <Button onClick={() => setDrawn(drawn + DRAWN)}>{t('captions.earlier')}</Button>
          )}
          {shown.map((line, i) => (
            <CaptionLine
              key={line.key}
              line={line}
              language={byCode.get(line.lang)}
              name={
                showNames && shown[i - 1]?.speakerID !== line.speakerID
                  ? nameOf(line.speakerID)
                  : null
              }
              animate={animate}
            />
          ))}
        </div>
      </div>
      {!stuck && (
        <Button
          className="jump"
          variant="contained"
          startIcon={<ArrowDown size={18} />}
          onClick={jump}
        >
          {t('captions.jump')}
        </Button>
      )}
    </div>
  );
}
