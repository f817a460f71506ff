// @ts-nocheck
import { useEffect, useState } from 'react';
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';
import { Notice, Progress } from '../ui/Notice';

/** Shown only when it takes longer than a moment. */
const PATIENCE_MS = 1200;
const LONG_MS = 8000;
const KEPT_SECONDS = 15;

function useWaitedFor(waiting: boolean): number {
  const [waited, setWaited] = useState(0);
  useEffect(() => {
    if (!waiting) return;
    const timers = [PATIENCE_MS, LONG_MS].map((ms) => setTimeout(() => setWaited(ms), ms));
    return () => {
      timers.forEach(clearTimeout);
      setWaited(0);
    };
  }, [waiting]);
  return waited;
}

/** Says calmly what the connection or the server is waiting for; nothing when all is well. */
export function LinkNotice() {
  const { t } = useTranslation();
  const { room, speaker } = useClient();
  const { status, message } = useStore(room.link);
  const phase = useStore(speaker.state, (state) => state.phase);
  const inside = useStore(room.view, (view) => view.phase === 'inside');
  const server = useStore(room.server, ({ state }) => state);
  const readiness = useStore(serverInfo, (info) => info.readiness);
  const waited = useWaitedFor(status === 'connecting');

  if (status === 'refused') {
    return <Notice kind="error">{t('link.refused', { message: message ?? '' })}</Notice>;
  }
  if (status === 'reconnecting') {
    const speaking = phase === 'live' || phase === 'waiting';
    return (
      <Notice kind="info" data-testid="reconnecting">
        {speaking
          ? t('link.reconnectingSpeaking', { seconds: KEPT_SECONDS })
          : t(inside ? 'link.reconnectingListening' : 'link.reconnecting')}
        <Progress label={t('link.reconnecting')} />
      </Notice>
    );
  }
  if (status === 'connecting') {
    if (waited < PATIENCE_MS) return null;
    return (
      <Notice kind="info">
        {t(waited >= LONG_MS ? 'link.connectingLong' : 'link.connecting')}
        <Progress label={t('link.connecting')} />
      </Notice>
    );
  }
  if (readiness?.error) {
    return <Notice kind="error">{t('link.loadingFailed', { message: readiness.error })}</Notice>;
  }
  if (server?.ready === false || readiness?.ready === false) {
    const step = [readiness?.model, readiness?.step].filter(Boolean).join(' – ');
    return (
      <Notice kind="info" data-testid="loading">
        {step ? t('link.loadingStep', { step }) : t('link.loading')}
        <Progress label={t('link.loading')} />
      </Notice>
    );
  }
  if (server?.serverLock && phase !== 'waiting') {
    const mine = server.serverLock.clientID === room.me;
    return (
      <Notice kind="info">
        {mine ? t('link.lockedByYou') : t('link.locked', { name: server.serverLock.name })}
      </Notice>
    );
  }
  return null;
}
