import { MessageSquareText } from 'lucide-react';
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { changeRole } from '../app/enter';
import { sendsVoice } from '../app/people';
import { useOffer } from '../app/useOffer';
import { useShown } from '../app/useShown';
import { useSpoken } from '../app/useSpoken';
import { canChooseOutput } from '../audio/playback/player';
import { useAudioDevices } from '../hooks/useAudioDevices';
import { nativeName } from '../languages/languages';
import { hasDeviceVoice, speaksOnDevice } from '../listen/deviceVoice';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import { Button, Choice } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Select, Switch } from '../ui/fields';
import { BehindBy } from './BehindBy';
import { HearingSwitches } from './HearingSwitches';
import { Volume } from './Volume';

const SPEEDS = ['1', '1.1', '1.25', '1.5'] as const;

/** Everything about how a listener hears and reads. */
export default function SoundDialog({ speaks, onClose }: { speaks: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useClient();
  const { listener } = client;
  const state = useStore(listener.state);
  const { speed, outputDevice, deviceVoice } = useStore(preferences);
  const sent = useStore(client.room.view, (view) => sendsVoice(view.state, client.room.me));
  const offer = useOffer();
  const sounding = useSpoken(useShown());
  const language = offer.text.find((item) => item.code === sounding.language);
  const silent = state.wantSpeech && !sounding.speaks && language;
  const outputs = useAudioDevices('audiooutput', state.wantSpeech);
  const chosen = SPEEDS.find((value) => Number(value) === speed) ?? '1';
  return (
    <Dialog
      title={t('listen.more')}
      onClose={onClose}
      actions={
        !speaks && (
          <Button
            look="outlined"
            icon={<MessageSquareText size={18} />}
            onClick={() => {
              onClose();
              void changeRole(client, 'speaker');
            }}
          >
            {t('room.alsoSpeak')}
          </Button>
        )
      }
    >
      <div className="stack tight">
        <HearingSwitches speaks={speaks} />
      </div>
      {(sent || state.original) && state.wantSpeech && (
        <div>
          <Switch
            label={t('listen.original')}
            checked={state.original}
            onChange={(original) => {
              preferences.setState({ original });
              void listener.configure({ original });
            }}
          />
          <p className="hint">{t('listen.originalHint')}</p>
        </div>
      )}
      {!speaks && silent && hasDeviceVoice() && (
        <div>
          <Switch
            label={t('listen.deviceVoice')}
            checked={deviceVoice}
            onChange={(on) => preferences.setState({ deviceVoice: on })}
          />
          <p className="hint">
            {t(
              speaksOnDevice(language.code) === false
                ? 'listen.deviceVoiceMissing'
                : 'listen.deviceVoiceHint',
              { language: nativeName(language) },
            )}
          </p>
        </div>
      )}
      <Volume />
      {state.volume > 1 && <p className="hint">{t('listen.louder')}</p>}
      <div className="stack tight">
        <span className="hint">
          {t('listen.speed')} · <BehindBy />
        </span>
        <Choice
          label={t('listen.speed')}
          value={chosen}
          onChange={(value) => {
            preferences.setState({ speed: Number(value) });
            listener.setSpeed(Number(value));
          }}
          options={SPEEDS.map((value) => ({ value, label: `${value}×` }))}
        />
      </div>
      {canChooseOutput() && outputs.length > 0 && (
        <Select
          label={t('listen.device')}
          value={outputDevice ?? ''}
          onChange={(value) => {
            preferences.setState({ outputDevice: value || null });
            listener.setOutputDevice(value || null);
          }}
          options={[
            { value: '', label: t('listen.deviceDefault') },
            ...outputs.map((device, i) => ({
              value: device.deviceId,
              label: device.label || `${t('listen.device')} ${String(i + 1)}`,
            })),
          ]}
        />
      )}
    </Dialog>
  );
}
