import { useEffect, useState } from 'react';
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { listenersByLanguage } from '../app/people';
import { nativeName } from '../languages/languages';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';
import { Notice } from '../ui/Notice';

const oneDecimal = (milliseconds: number): string => (milliseconds / 1000).toFixed(1);
const LOOK_AGAIN_MS = 1000;

/** What people feel: from a word to its translation, over the last sentences; null before any. */
function useDelay(): number | null {
  const { metrics } = useClient();
  const [delay, setDelay] = useState<number | null>(null);
  useEffect(() => {
    const timer = setInterval(() => setDelay(metrics.recent('textDelay')), LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [metrics]);
  return delay;
}

/** What the server hears of this speaker, how late it is, and who listens. */
export function SpeakStatus() {
  const { t } = useTranslation();
  const { speaker, room } = useClient();
  const { status, muted, paused, throttled, heldMs, droppedMs, phase } = useStore(speaker.state);
  const roomState = useStore(room.view, (view) => view.state);
  const model = roomState?.members[room.me]?.model;
  const several = useStore(
    room.server,
    ({ state }) => (state?.agentsCapabilities ?? []).length > 1,
  );
  const languages = useStore(serverInfo, (info) => info.languages);
  const delay = useDelay();
  const listeners = listenersByLanguage(roomState, room.me);
  const total = listeners.reduce((sum, { count }) => sum + count, 0);
  const name = (code: string | null) => {
    const language = languages.find((item) => item.code === code);
    return language ? nativeName(language) : (code ?? t('listen.speakersChoice'));
  };
  const waits = muted ? 'muted' : paused ? 'paused' : throttled ? 'waiting' : null;
  const state = phase === 'finishing' ? 'flushing' : (waits ?? status?.state ?? 'listening');
  return (
    <>
      <dl className="facts">
        <div>
          <dt>{t('status.title')}</dt>
          <dd className={`vad vad-${state}`} data-testid="vad-state">
            <span className="dot" aria-hidden="true" />
            {t(`status.${state}`)}
          </dd>
        </div>
        <div>
          <dt title={t('status.delayHint')}>{t('status.delay')}</dt>
          <dd data-testid="delay">
            {delay === null ? '–' : t('status.seconds', { value: oneDecimal(delay) })}
          </dd>
        </div>
        {status?.sourceLanguage && (
          <div>
            <dt>{t('status.spoken')}</dt>
            <dd data-testid="spoken">{name(status.sourceLanguage)}</dd>
          </div>
        )}
        {model && several && (
          <div>
            <dt>{t('speak.model')}</dt>
            <dd className="ellipsis" data-testid="model">
              {model}
            </dd>
          </div>
        )}
        <div className="wide">
          <dt>{t('speak.audience')}</dt>
          <dd data-testid="listeners">
            {listeners.length === 0
              ? t('status.nobody')
              : `${t('status.listenerCount', { count: total })} `}
            {listeners.map(({ language, count }) => (
              <bdi key={language} className="listener-count">
                {name(language)} {count}
              </bdi>
            ))}
          </dd>
        </div>
      </dl>
      {status?.warning && <Notice kind="warning">{t('status.slow')}</Notice>}
      {throttled && <Notice kind="info">{t('status.throttled')}</Notice>}
      {heldMs > 0 && (
        <Notice kind="info">{t('status.held', { seconds: oneDecimal(heldMs) })}</Notice>
      )}
      {droppedMs > 0 && (
        <Notice kind="warning">{t('status.dropped', { seconds: oneDecimal(droppedMs) })}</Notice>
      )}
    </>
  );
}
