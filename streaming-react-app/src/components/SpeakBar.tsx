import { ChevronUp, Mic, MicOff, SlidersHorizontal, Users } from 'lucide-react';
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { listenersByLanguage } from '../app/people';
import { useStore } from '../state/store';
import { Button, IconButton } from '../ui/Button';
import { LevelMeter } from './LevelMeter';
import { StopButton } from './StopButton';

/** On a phone: what a speaker needs while speaking, always in reach of the thumb. */
export default function SpeakBar({ onMore, open }: { onMore: () => void; open: boolean }) {
  const { t } = useTranslation();
  const { speaker, room } = useClient();
  const { phase, muted } = useStore(speaker.state);
  const state = useStore(room.view, (view) => view.state);
  const count = listenersByLanguage(state, room.me).reduce((sum, item) => sum + item.count, 0);
  const live = phase === 'live';
  return (
    <footer className="speak-bar">
      {live && (
        <>
          <LevelMeter level={speaker.level} />
          <span className="row" title={t('status.listenerCount', { count })}>
            <Users size={18} aria-hidden="true" />
            <span className="unseen">{t('status.listenerCount', { count })}</span>
            <span aria-hidden="true">{count}</span>
          </span>
          <IconButton
            label={muted ? t('speak.unmute') : t('speak.mute')}
            aria-pressed={muted}
            onClick={() => speaker.setMuted(!muted)}
          >
            {muted ? <MicOff size={22} /> : <Mic size={22} />}
          </IconButton>
          <StopButton />
        </>
      )}
      <Button
        look={live ? 'plain' : 'filled'}
        className={live ? undefined : 'full'}
        aria-expanded={open}
        icon={live ? <SlidersHorizontal size={20} /> : <ChevronUp size={20} />}
        aria-label={t('room.more')}
        onClick={onMore}
      >
        {live ? '' : t('speak.settings')}
      </Button>
    </footer>
  );
}
