import { useTranslation } from '../i18n';
import { useNames } from '../app/useNames';
import { useShown } from '../app/useShown';
import { DemoNotice } from '../components/DemoNotice';
import type { OverlayParams } from '../app/urlParams';
import { direction, languageTag } from '../languages/languages';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';
import type { Line } from '../transcript/transcript';
import { useTransparentPage } from '../hooks/useTransparentPage';

/** More lines than any overlay shows at once. */
const DRAWN = 8;

interface Run {
  key: string;
  speakerID: string;
  lang: string;
  text: string;
  lost?: true;
}

/** Sentences of one speaker flow on: two lines are too few to break after each. */
export function runs(lines: readonly Line[]): Run[] {
  const result: Run[] = [];
  for (const { key, speakerID, lang, text, lost } of lines) {
    const last = result.at(-1);
    if (last?.speakerID === speakerID && last.lang === lang && !last.lost) last.text += ` ${text}`;
    else result.push({ key, speakerID, lang, text });
    const newest = result.at(-1);
    if (lost && newest) newest.lost = true;
  }
  return result;
}

/** Captions alone on a transparent ground, for streaming programs and projectors. */
export default function OverlayView({ overlay }: { overlay: OverlayParams }) {
  const { t } = useTranslation();
  const lines = useShown()
    .filter((line) => !line.foreign)
    .slice(-DRAWN);
  const languages = useStore(serverInfo, (info) => info.languages);
  const { nameOf, several } = useNames();
  useTransparentPage();
  return (
    <main className={`overlay overlay-${overlay.position}`} data-testid="overlay">
      <h1 className="unseen">{t('room.captions')}</h1>
      {overlay.notice && (
        <div
          className="overlay-notice"
          style={{ color: overlay.color, background: overlay.background }}
        >
          <DemoNotice brief />
        </div>
      )}
      <div
        className="overlay-window"
        style={{
          fontSize: overlay.size,
          color: overlay.color,
          textAlign: overlay.align,
          maxHeight: `${String(overlay.lines * 1.4)}em`,
        }}
      >
        <div className="overlay-lines">
          {runs(lines).map((run) => {
            const language = languages.find((item) => item.code === run.lang);
            return (
              <p key={run.key} lang={languageTag(run.lang)} dir={direction(language)}>
                <span style={{ background: overlay.background }}>
                  {overlay.names && several && <b>{nameOf(run.speakerID)}: </b>}
                  {run.text}
                  {run.lost && <i> {t('captions.notUnderstood')}</i>}
                </span>
              </p>
            );
          })}
        </div>
      </div>
    </main>
  );
}
