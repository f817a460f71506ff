import Button from '@mui/material/Button';
import LinearProgress from '@mui/material/LinearProgress';
import { Mic, MicOff, Pause, Play, Square } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { useClient } from '../app/client';
import { useStore } from '../state/store';
import { LevelMeter } from './LevelMeter';

interface Props {
  /** A recording is about to be played, not a microphone opened. */
  plays: boolean;
  startLabel: string;
  startDisabled: boolean;
  onStart: () => void;
}

/** Start, mute, pause, stop: what is possible now. */
export function SpeakControls({ plays, startLabel, startDisabled, onStart }: Props) {
  const { t } = useTranslation();
  const { speaker } = useClient();
  const { phase, muted, paused } = useStore(speaker.state);
  if (phase === 'idle') {
    return (
      <Button
        fullWidth
        size="large"
        variant="contained"
        startIcon={plays ? <Play size={20} /> : <Mic size={20} />}
        disabled={startDisabled}
        onClick={onStart}
      >
        {startLabel}
      </Button>
    );
  }
  if (phase === 'finishing') {
    return (
      <div className="stack" role="status">
        <span>{t('speak.finishing')}</span>
        <LinearProgress aria-label={t('speak.finishing')} />
      </div>
    );
  }
  if (phase !== 'live') {
    return (
      <div className="stack">
        <LevelMeter />
        <div className="row between">
          <span role="status">{phase === 'opening' ? t('speak.opening') : ''}</span>
          <Button variant="outlined" onClick={() => void speaker.stop()}>
            {t(phase === 'waiting' ? 'status.stopWaiting' : 'speak.cancel')}
          </Button>
        </div>
      </div>
    );
  }
  return (
    <div className="stack">
      <LevelMeter />
      <div className="row controls">
        <Button
          variant={muted ? 'contained' : 'outlined'}
          aria-pressed={muted}
          startIcon={muted ? <MicOff size={18} /> : <Mic size={18} />}
          onClick={() => speaker.setMuted(!muted)}
        >
          {muted ? t('speak.unmute') : t('speak.mute')}
        </Button>
        <Button
          variant={paused ? 'contained' : 'outlined'}
          aria-pressed={paused}
          startIcon={paused ? <Play size={18} /> : <Pause size={18} />}
          onClick={() => void speaker.setPaused(!paused)}
        >
          {paused ? t('speak.resume') : t('speak.pause')}
        </Button>
        <Button
          variant="contained"
          color="error"
          startIcon={<Square size={16} fill="currentColor" />}
          onClick={() => void speaker.stop()}
        >
          {t('speak.stop')}
        </Button>
      </div>
    </div>
  );
}
