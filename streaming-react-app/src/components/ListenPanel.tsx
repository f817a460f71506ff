import Alert from '@mui/material/Alert';
import Button from '@mui/material/Button';
import Slider from '@mui/material/Slider';
import Tooltip from '@mui/material/Tooltip';
import ToggleButton from '@mui/material/ToggleButton';
import ToggleButtonGroup from '@mui/material/ToggleButtonGroup';
import { Headphones, Text, Volume2, VolumeX } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { useClient } from '../app/client';
import { showInAddress } from '../app/enter';
import { useOffer } from '../app/useOffer';
import { nativeName } from '../languages/languages';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import { BehindBy } from './BehindBy';
import { LanguagePicker } from './LanguagePicker';

/** What a listener sets: language, text or speech, volume. */
export function ListenPanel({ speaks }: { speaks: boolean }) {
  const { t } = useTranslation();
  const { listener } = useClient();
  const state = useStore(listener.state);
  const offer = useOffer();
  const language = offer.text.find((item) => item.code === state.language);
  const silent = state.wantSpeech && language && !offer.speech.has(language.code);
  const wanted = [...(state.wantText ? ['text'] : []), ...(state.wantSpeech ? ['speech'] : [])];

  const choose = (code: string | null) => {
    preferences.setState({ listenLanguage: code ?? '' });
    listener.state.setState({ automatic: false });
    showInAddress({ lang: code });
    void listener.configure({ language: code });
  };
  const want = (chosen: string[]) => {
    const wantText = chosen.includes('text');
    const wantSpeech = chosen.includes('speech');
    preferences.setState(speaks ? { wantText } : { wantText, wantSpeech });
    if (wantSpeech) void listener.unlock();
    void listener.configure({ wantText, wantSpeech });
  };

  return (
    <section className="listen-panel" aria-label={t('room.controls')}>
      {!speaks && (
        <div className="listen-language">
          <LanguagePicker
            label={t('listen.language')}
            none={t('listen.speakersChoice')}
            languages={offer.text}
            value={state.language}
            onChange={choose}
          />
        </div>
      )}
      <ToggleButtonGroup
        value={wanted}
        onChange={(_event, chosen: string[]) => want(chosen)}
        aria-label={t('listen.output')}
      >
        <ToggleButton value="text">
          <Text size={18} aria-hidden="true" />
          <span>{t('listen.text')}</span>
        </ToggleButton>
        <ToggleButton value="speech">
          <Headphones size={18} aria-hidden="true" />
          <span>{t('listen.speech')}</span>
        </ToggleButton>
      </ToggleButtonGroup>
      {state.wantSpeech && (
        <div className="volume">
          <Volume2 size={18} aria-hidden="true" />
          <Slider
            aria-label={t('listen.volume')}
            min={0}
            max={1}
            step={0.05}
            value={state.volume}
            onChange={(_event, value) => {
              listener.setVolume(value);
              preferences.setState({ volume: value });
            }}
          />
          <BehindBy />
        </div>
      )}
      {state.wantSpeech && state.blocked && (
        <Tooltip title={t('listen.soundBlocked')}>
          <Button
            variant="contained"
            startIcon={<VolumeX size={18} />}
            onClick={() => void listener.unlock()}
          >
            {t('listen.enableSound')}
          </Button>
        </Tooltip>
      )}
      {state.wantSpeech && state.guarded && (
        <Alert
          role="status"
          severity="info"
          data-testid="echo-guard"
          action={
            <Button onClick={() => listener.confirmHeadphones(true)}>
              {t('listen.headphones')}
            </Button>
          }
        >
          {t('listen.guarded')}
        </Alert>
      )}
      {state.wantSpeech && speaks && state.headphones && (
        <p className="hint">
          {t('listen.headphonesOn')}{' '}
          <Button size="small" onClick={() => listener.confirmHeadphones(false)}>
            {t('listen.headphonesOff')}
          </Button>
        </p>
      )}
      {!speaks && state.automatic && language && (
        <p className="hint" data-testid="automatic">
          {t('listen.automatic', { language: nativeName(language) })}
        </p>
      )}
      {silent && <p className="hint">{t('listen.noSpeech', { language: nativeName(language) })}</p>}
      {state.error && <Alert severity="warning">{state.error}</Alert>}
    </section>
  );
}
