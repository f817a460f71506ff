import { SlidersHorizontal, Volume2, VolumeX } from 'lucide-react';
import { useEffect, useState } from 'react';
import { useTranslation } from '../i18n';
import { later } from '../app/later';
import { useClient } from '../app/client';
import { showInAddress } from '../app/enter';
import { useOffer } from '../app/useOffer';
import { useShown } from '../app/useShown';
import { useSpoken } from '../app/useSpoken';
import { leaveLockScreen, showOnLockScreen } from '../audio/playback/mediaSession';
import { nativeName } from '../languages/languages';
import { DeviceVoice, hasDeviceVoice } from '../listen/deviceVoice';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import { Button, IconButton } from '../ui/Button';
import { Notice } from '../ui/Notice';
import { LanguagePicker } from './LanguagePicker';
import { Volume } from './Volume';

const SoundDialog = later(() => import('./SoundDialog'));

/** A listener's one important choice, the language; sound beside it; the rest a click away. */
export function ListenBar() {
  const { t } = useTranslation();
  const { listener, room } = useClient();
  const state = useStore(listener.state);
  const roomID = useStore(room.view, (view) => view.roomID);
  const offer = useOffer();
  const [more, setMore] = useState(false);
  const lines = useShown();
  const { deviceVoice, volume, speed } = useStore(preferences);
  const sounding = useSpoken(lines);
  const [voice] = useState(() => new DeviceVoice());
  const language = offer.text.find((item) => item.code === state.language);
  const name = language ? nativeName(language) : t('listen.speakersChoice');
  const silent = state.wantSpeech && !sounding.speaks;
  const reads = offer.text.find((item) => item.code === sounding.language);
  // Sound that the browser blocks is not on, whatever was wished.
  const sounds = state.wantSpeech && !state.blocked;

  const sound = (on: boolean) => {
    if (on) void listener.unlock();
    preferences.setState({ wantSpeech: on });
    if (state.wantSpeech !== on) void listener.configure({ wantSpeech: on });
  };

  const aloud = silent && deviceVoice && hasDeviceVoice();
  const wanted = aloud ? sounding.language : null;
  useEffect(() => {
    voice.want(wanted, lines);
    voice.read(lines, (line) => !sounding.spoken(line), { volume, speed });
  }, [voice, wanted, lines, sounding, volume, speed]);
  useEffect(() => () => voice.want(null, []), [voice]);

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
        <p className="hint" data-testid="automatic">
          {t('listen.automatic', { language: name })}
        </p>
      )}
      {state.follows && language && (
        <p className="hint" data-testid="follows">
          {t('listen.notWritten', { language: name })}
        </p>
      )}
      {silent && (
        <p className="hint" data-testid={aloud ? 'device-voice' : undefined}>
          {t(aloud ? 'listen.deviceVoiceOn' : 'listen.noSpeech', {
            language: reads ? nativeName(reads) : (sounding.language ?? ''),
          })}
        </p>
      )}
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
      {more && <SoundDialog speaks={false} onClose={() => setMore(false)} />}
    </aside>
  );
}
