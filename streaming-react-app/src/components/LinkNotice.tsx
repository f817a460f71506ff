import Alert from '@mui/material/Alert';
import LinearProgress from '@mui/material/LinearProgress';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useClient } from '../app/client';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';

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
    return <Alert severity="error">{t('link.refused', { message: message ?? '' })}</Alert>;
  }
  if (status === 'reconnecting') {
    const speaking = phase === 'live' || phase === 'waiting';
    return (
      <Alert role="status" severity="info" data-testid="reconnecting" className="notice">
        {speaking
          ? t('link.reconnectingSpeaking', { seconds: KEPT_SECONDS })
          : t(inside ? 'link.reconnectingListening' : 'link.reconnecting')}
        <LinearProgress aria-label={t('link.reconnecting')} />
      </Alert>
    );
  }
  if (status === 'connecting') {
    if (waited < PATIENCE_MS) return null;
    return (
      <Alert role="status" severity="info" className="notice">
        {t(waited >= LONG_MS ? 'link.connectingLong' : 'link.connecting')}
        <LinearProgress aria-label={t('link.connecting')} />
      </Alert>
    );
  }
  if (readiness?.error) {
    return <Alert severity="error">{t('link.loadingFailed', { message: readiness.error })}</Alert>;
  }
  if (server?.ready === false || readiness?.ready === false) {
    const step = [readiness?.model, readiness?.step].filter(Boolean).join(' – ');
    return (
      <Alert role="status" severity="info" data-testid="loading" className="notice">
        {step ? t('link.loadingStep', { step }) : t('link.loading')}
        <LinearProgress aria-label={t('link.loading')} />
      </Alert>
    );
  }
  if (server?.serverLock && phase !== 'waiting') {
    const mine = server.serverLock.clientID === room.me;
    return (
      <Alert role="status" severity="info">
        {mine ? t('link.lockedByYou') : t('link.locked', { name: server.serverLock.name })}
      </Alert>
    );
  }
  return null;
}
