// @ts-nocheck
import { ArrowDown, Bookmark, Flag } from 'lucide-react';
import { Fragment, memo, useMemo, useRef, useState } from 'react';
import type { ReactNode } from 'react';
import { useTranslation } from '../i18n';
import { useStickToEnd } from '../hooks/useStickToEnd';
import { direction, languageTag, nativeName } from '../languages/languages';
import type { Language } from '../languages/languages';
import type { Mark } from '../transcript/marks';
import type { ShownLine } from '../transcript/shown';
import { Button } from '../ui/Button';
import { Letters } from './Letters';

/** Lines that are drawn; older ones come on request. */
const DRAWN = 300;

interface LineProps {
  line: ShownLine;
  language: Language | undefined;
  name: string | null;
  animate: boolean;
  letters: boolean;
  mark: Mark | undefined;
  actions: ReactNode;
}

const CaptionLine = memo(function CaptionLine(props: LineProps) {
  const { line, language, name, animate, letters, mark, actions } = props;
  const { t } = useTranslation();
  const fresh = line.text.slice(line.freshFrom);
  const kind = line.foreign ? 'line foreign' : line.finished ? 'line' : 'line open';
  const doubtful = line.pieces.at(-1)?.unsure === true;
  return (
    <p className={kind} data-lang={line.lang} data-key={line.key}>
      {name !== null && <span className="line-name">{name}</span>}
      {mark?.bookmarked && (
        <Bookmark className="mark" size={18} aria-label={t('keep.bookmarked')} />
      )}
      {mark?.wrong && <Flag className="mark wrong" size={18} aria-label={t('keep.wrong')} />}
      <span
        lang={languageTag(line.lang)}
        dir={direction(language)}
        className={line.lost ? 'line-text lost' : 'line-text'}
      >
        <Settled line={line} />
        {letters ? (
          <Letters key={line.freshFrom} text={fresh} cursor={!line.finished} />
        ) : (
          <span
            key={line.freshFrom}
            className={[animate && 'fresh', doubtful && 'unsure'].filter(Boolean).join(' ')}
            title={doubtful ? t('captions.unsure') : undefined}
          >
            {fresh}
          </span>
        )}
      </span>
      {line.lost && <span className="line-lost">{t('captions.notUnderstood')}</span>}
      {line.heard && (
        <span className="line-heard" lang={languageTag(line.heard.lang)} dir="auto">
          {line.heard.text}
        </span>
      )}
      {actions}
    </p>
  );
});

/** The line without its newest piece; what the model was not sure of is marked. */
function Settled({ line }: { line: ShownLine }) {
  const { t } = useTranslation();
  const settled = line.pieces.slice(0, -1);
  if (!settled.some((piece) => piece.unsure)) return line.text.slice(0, line.freshFrom);
  return settled.map((piece, i) => {
    const text = i === 0 ? piece.text.trimStart() : piece.text;
    return piece.unsure ? (
      <span key={i} className="unsure" title={t('captions.unsure')}>
        {text}
      </span>
    ) : (
      text
    );
  });
}

interface Props {
  lines: readonly ShownLine[];
  languages: readonly Language[];
  nameOf: (speakerID: string) => string;
  showNames: boolean;
  animate: boolean;
  letters?: boolean;
  /** The language that is read, to say what does not exist in it. */
  wanted?: string | null;
  marks?: Readonly<Record<string, Mark>>;
  /** A button for what can be done with a line. */
  actionsOf?: (line: ShownLine) => ReactNode;
  label: string;
  empty: string;
}

/** The transcript: it follows what is said until the person scrolls up. */
export function Captions(props: Props) {
  const { lines, languages, nameOf, showNames, animate, letters, wanted, label, empty } = props;
  const { t } = useTranslation();
  const box = useRef<HTMLDivElement>(null);
  const [drawn, setDrawn] = useState(DRAWN);
  const [foreign, setForeign] = useState(false);
  const { stuck, jump } = useStickToEnd(box, lines);
  const byCode = useMemo(
    () => new Map(languages.map((language) => [language.code, language])),
    [languages],
  );
  const shown = lines.slice(-drawn);
  const wantedLanguage = wanted ? byCode.get(wanted) : undefined;
  /** How many sentences in another language begin here; 0 within or outside of such a stretch. */
  const foreignFrom = (at: number): number => {
    if (!shown[at]?.foreign || shown[at - 1]?.foreign) return 0;
    const end = shown.findIndex((line, i) => i > at && !line.foreign);
    return (end < 0 ? shown.length : end) - at;
  };
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
          {shown.map((line, i) => {
            const count = foreign ? 0 : foreignFrom(i);
            return (
              <Fragment key={line.key}>
                {count > 0 && (
                  <div className="foreign-note" data-testid="foreign">
                    {t('captions.foreign', {
                      count,
                      language: wantedLanguage ? nativeName(wantedLanguage) : (wanted ?? ''),
                    })}
                    <Button size="small" look="outlined" onClick={() => setForeign(true)}>
                      {t('captions.showForeign')}
                    </Button>
                  </div>
                )}
                {(foreign || !line.foreign) && (
                  <CaptionLine
                    line={line}
                    language={byCode.get(line.lang)}
                    name={
                      showNames && shown[i - 1]?.speakerID !== line.speakerID
                        ? nameOf(line.speakerID)
                        : null
                    }
                    animate={animate}
                    letters={letters ?? false}
                    mark={props.marks?.[line.key]}
                    actions={props.actionsOf?.(line)}
                  />
                )}
              </Fragment>
            );
          })}
        </div>
      </div>
      {!stuck && (
        <Button className="jump" look="filled" icon={<ArrowDown size={18} />} onClick={jump}>
          {t('captions.jump')}
        </Button>
      )}
    </div>
  );
}
