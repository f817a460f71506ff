import { Mic, MicOff, Pause, Play } from 'lucide-react';
import { useEffect, useRef } from 'react';
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { useStore } from '../state/store';
import type { Capability } from '../wire/messages';
import { Button } from '../ui/Button';
import { Progress } from '../ui/Notice';
import { LevelMeter } from './LevelMeter';
import { StopButton } from './StopButton';

interface Props {
  /** A recording is about to be played, not a microphone opened. */
  plays: boolean;
  startLabel: string;
  startDisabled: boolean;
  model: Capability | null;
  onStart: () => void;
}

/** Start, mute, pause, stop: what is possible now. */
export function SpeakControls(props: Props) {
  const { speaker } = useClient();
  const phase = useStore(speaker.state, (state) => state.phase);
  const box = useRef<HTMLDivElement>(null);
  // A button that was pressed goes away with its purpose: the keyboard stays in this place.
  const had = useRef(false);
  useEffect(() => {
    if (had.current && document.activeElement === document.body) {
      box.current?.querySelector('button')?.focus({ preventScroll: true });
    }
  }, [phase]);
  return (
    <div
      ref={box}
      className="stack"
      onFocus={() => (had.current = true)}
      onBlur={(event) => (had.current = event.relatedTarget === null)}
    >
      <Controls key={phase} {...props} />
    </div>
  );
}

function Controls({ plays, startLabel, startDisabled, model, onStart }: Props) {
  const { t } = useTranslation();
  const { speaker } = useClient();
  const { phase, muted, paused } = useStore(speaker.state);
  if (phase === 'idle') {
    return (
      <Button
        className="full"
        size="large"
        look="filled"
        icon={plays ? <Play size={20} /> : <Mic size={20} />}
        disabled={startDisabled}
        onClick={onStart}
      >
        {startLabel}
      </Button>
    );
  }
  if (phase === 'finishing') {
    return (
      <div role="status">
        {t('speak.finishing')}
        <Progress label={t('speak.finishing')} />
      </div>
    );
  }
  if (phase !== 'live') {
    const opening =
      model?.loaded === false ? t('link.loadingStep', { step: model.name }) : t('speak.opening');
    return (
      <>
        <LevelMeter level={speaker.level} />
        <div className="row between">
          <span role="status">{phase === 'opening' ? opening : ''}</span>
          <Button look="outlined" onClick={() => void speaker.stop()}>
            {t(phase === 'waiting' ? 'status.stopWaiting' : 'speak.cancel')}
          </Button>
        </div>
      </>
    );
  }
  return (
    <>
      <LevelMeter level={speaker.level} />
      <div className="row controls">
        <Button
          look={muted ? 'filled' : 'outlined'}
          aria-pressed={muted}
          aria-keyshortcuts="M"
          icon={muted ? <MicOff size={18} /> : <Mic size={18} />}
          onClick={() => speaker.setMuted(!muted)}
        >
          {muted ? t('speak.unmute') : t('speak.mute')}
        </Button>
        <Button
          look={paused ? 'filled' : 'outlined'}
          aria-pressed={paused}
          icon={paused ? <Play size={18} /> : <Pause size={18} />}
          onClick={() => void speaker.setPaused(!paused)}
        >
          {paused ? t('speak.resume') : t('speak.pause')}
        </Button>
        <StopButton />
      </div>
    </>
  );
}
