import Alert from '@mui/material/Alert';
import { useTranslation } from 'react-i18next';
import { useClient } from '../app/client';
import { useStore } from '../state/store';

/** Why the stream does not run yet; it starts by itself. */
export function WaitNotice() {
  const { t } = useTranslation();
  const { speaker, room } = useClient();
  const reason = useStore(speaker.state, (state) => state.waitReason);
  const server = useStore(room.server, ({ state }) => state);
  const text = () => {
    const lock = server?.serverLock;
    if (reason === 'locked') {
      return lock ? t('link.locked', { name: lock.name }) : t('status.lockedWait');
    }
    if (reason === 'loading') return t('status.loadingWait');
    const most = server?.maxSpeakers;
    return most && most > 1 ? t('status.fullOf', { count: most }) : t('status.full');
  };
  return (
    <Alert role="status" severity="info">
      {text()}
    </Alert>
  );
}
