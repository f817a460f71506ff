import Alert from '@mui/material/Alert';
import { useTranslation } from 'react-i18next';
import { useClient } from '../app/client';
import { listenersByLanguage } from '../app/people';
import { nativeName } from '../languages/languages';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';

const oneDecimal = (milliseconds: number): string => (milliseconds / 1000).toFixed(1);

/** What the server hears of this speaker, how late it is, and who listens. */
export function SpeakStatus() {
  const { t } = useTranslation();
  const { speaker, room } = useClient();
  const { status, muted, paused, throttled, heldMs, droppedMs, phase } = useStore(speaker.state);
  const roomState = useStore(room.view, (view) => view.state);
  const languages = useStore(serverInfo, (info) => info.languages);
  const listeners = listenersByLanguage(roomState, room.me);
  const total = listeners.reduce((sum, { count }) => sum + count, 0);
  const name = (code: string | null) => {
    const language = languages.find((item) => item.code === code);
    return language ? nativeName(language) : (code ?? t('listen.speakersChoice'));
  };
  const waits = muted ? 'muted' : paused ? 'paused' : throttled ? 'waiting' : null;
  const state = phase === 'finishing' ? 'flushing' : (waits ?? status?.state ?? 'listening');
  return (
    <div className="stack">
      <dl className="facts">
        <div>
          <dt>{t('status.title')}</dt>
          <dd className={`vad vad-${state}`} data-testid="vad-state">
            <span className="dot" aria-hidden="true" />
            {t(`status.${state}`)}
          </dd>
        </div>
        <div>
          <dt>{t('status.lag')}</dt>
          <dd data-testid="lag">
            {status ? t('status.seconds', { value: oneDecimal(status.lagMs) }) : '–'}
          </dd>
        </div>
        <div>
          <dt>{t('status.queue')}</dt>
          <dd data-testid="queue">
            {status ? t('status.seconds', { value: oneDecimal(status.queuedMs) }) : '–'}
          </dd>
        </div>
        <div className="wide">
          <dt>
            {t('status.listeners')}
            {listeners.length > 0 && ` (${String(total)})`}
          </dt>
          <dd data-testid="listeners">
            {listeners.length === 0
              ? t('status.nobody')
              : listeners.map(({ language, count }) => (
                  <bdi key={language} className="listener-count">
                    {t('status.languageCount', { language: name(language), count })}
                  </bdi>
                ))}
          </dd>
        </div>
      </dl>
      {status?.warning && <Alert severity="warning">{t('status.slow')}</Alert>}
      {throttled && (
        <Alert role="status" severity="info">
          {t('status.throttled')}
        </Alert>
      )}
      {heldMs > 0 && (
        <Alert role="status" severity="info">
          {t('status.held', { seconds: oneDecimal(heldMs) })}
        </Alert>
      )}
      {droppedMs > 0 && (
        <Alert severity="warning">{t('status.dropped', { seconds: oneDecimal(droppedMs) })}</Alert>
      )}
    </div>
  );
}
