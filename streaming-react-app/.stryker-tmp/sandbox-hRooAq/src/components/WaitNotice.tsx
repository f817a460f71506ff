// @ts-nocheck
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { useStore } from '../state/store';
import { Notice } from '../ui/Notice';

/** Why the stream does not run yet; it starts by itself. */
export function WaitNotice() {
  const { t } = useTranslation();
  const { speaker, room } = useClient();
  const reason = useStore(speaker.state, (state) => state.waitReason);
  const place = useStore(speaker.state, (state) => state.place);
  const server = useStore(room.server, ({ state }) => state);
  const full = () => {
    if (!place && (server?.waitingSpeakers ?? 0) > 0) return t('status.lineFull');
    const most = server?.maxSpeakers;
    return most && most > 1 ? t('status.fullOf', { count: most }) : t('status.full');
  };
  const text = () => {
    const lock = server?.serverLock;
    if (reason === 'locked') {
      return lock ? t('link.locked', { name: lock.name }) : t('status.lockedWait');
    }
    return reason === 'loading' ? t('status.loadingWait') : full();
  };
  return (
    <Notice
      kind="info"
      data-testid={place ? 'place' : undefined}
      title={
        place && (place.position === 1 ? t('status.placeNext') : t('status.place', { ...place }))
      }
    >
      {text()} {place && t('status.placeHint')}
    </Notice>
  );
}
