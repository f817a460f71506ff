// @ts-nocheck
import { SlidersHorizontal, Volume2, VolumeX } from 'lucide-react';
import { Suspense, lazy, useEffect, useState } from 'react';
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { showInAddress } from '../app/enter';
import { useOffer } from '../app/useOffer';
import { useShown } from '../app/useShown';
import { leaveLockScreen, showOnLockScreen } from '../audio/playback/mediaSession';
import { nativeName } from '../languages/languages';
import { DeviceVoice, hasDeviceVoice } from '../listen/deviceVoice';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import { Button, IconButton } from '../ui/Button';
import { Notice } from '../ui/Notice';
import { LanguagePicker } from './LanguagePicker';
import { Volume } from './Volume';

const SoundDialog = lazy(() => import('./SoundDialog'));

/** A listener's one important choice, the language; sound beside it; the rest a click away. */
export function ListenBar() {
  const { t } = useTranslation();
  const { listener, room } = useClient();
  const state = useStore(listener.state);
  const roomID = useStore(room.view, (view) => view.roomID);
  const offer = useOffer();
  const [more, setMore] = useState(false);
  const lines = useShown();
  const deviceVoice = useStore(preferences, (prefs) => prefs.deviceVoice);
  const [voice] = useState(() => new DeviceVoice());
  const language = offer.text.find((item) => item.code === state.language);
  const name = language ? nativeName(language) : t('listen.speakersChoice');
  const silent = state.wantSpeech && language && !offer.speech.has(language.code);
  // Sound that the browser blocks is not on, whatever was wished.
  const sounds = state.wantSpeech && !state.blocked;

  const sound = (on: boolean) => {
    if (on) void listener.unlock();
    preferences.setState({ wantSpeech: on });
    if (state.wantSpeech !== on) void listener.configure({ wantSpeech: on });
  };

  const silentLanguage = silent && deviceVoice && hasDeviceVoice() ? language.code : null;
  useEffect(() => {
    voice.want(silentLanguage !== null, lines);
    if (silentLanguage !== null) voice.read(lines, silentLanguage);
  }, [voice, silentLanguage, lines]);
  useEffect(() => () => voice.want(false, []), [voice]);

  useEffect(() => {
    if (!sounds) {
      leaveLockScreen();
      return;
    }
    showOnLockScreen(roomID ?? '', name, {
      play: () => void listener.configure({ wantSpeech: true }),
      pause: () => void listener.configure({ wantSpeech: false }),
    });
  }, [sounds, roomID, name, listener]);

  return (
    <aside className="listen-bar" aria-label={t('room.controls')}>
      {state.automatic && language && (
        <p className="hint wide-only" data-testid="automatic">
          {t('listen.automatic', { language: name })}
        </p>
      )}
      {silent && <p className="hint">{t('listen.noSpeech', { language: name })}</p>}
      {state.error && <Notice kind="error">{state.error}</Notice>}
      <div className="listen-row">
        <LanguagePicker
          label={t('listen.language')}
          none={t('listen.speakersChoice')}
          languages={offer.text}
          value={state.language}
          onChange={(code) => {
            preferences.setState({ listenLanguage: code ?? '' });
            listener.state.setState({ automatic: false });
            showInAddress({ lang: code });
            void listener.configure({ language: code });
          }}
        />
        <Button
          look={sounds ? 'filled' : 'outlined'}
          aria-pressed={sounds}
          aria-label={t(sounds ? 'listen.soundOff' : 'listen.soundOn')}
          icon={sounds ? <Volume2 size={20} /> : <VolumeX size={20} />}
          onClick={() => sound(!sounds)}
        >
          {t('listen.sound')}
        </Button>
        {sounds && (
          <div className="wide-only">
            <Volume hideLabel />
          </div>
        )}
        <IconButton label={t('listen.more')} onClick={() => setMore(true)}>
          <SlidersHorizontal size={20} />
        </IconButton>
      </div>
      {more && (
        <Suspense>
          <SoundDialog speaks={false} onClose={() => setMore(false)} />
        </Suspense>
      )}
    </aside>
  );
}
