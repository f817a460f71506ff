import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import { Switch } from '../ui/fields';

/** Text, what was heard, and speech: what comes of the translation. */
export function HearingSwitches({ speaks }: { speaks: boolean }) {
  const { t } = useTranslation();
  const { listener } = useClient();
  const state = useStore(listener.state);
  return (
    <>
      <Switch
        label={t('listen.text')}
        checked={state.wantText}
        onChange={(wantText) => {
          preferences.setState({ wantText });
          void listener.configure({ wantText });
        }}
      />
      <Switch
        label={t('listen.heard')}
        checked={state.heard}
        onChange={(heard) => {
          preferences.setState({ [speaks ? 'heardSpeaking' : 'heard']: heard });
          void listener.configure({ heard });
        }}
      />
      <Switch
        label={t('listen.speech')}
        checked={state.wantSpeech}
        onChange={(wantSpeech) => {
          if (wantSpeech) void listener.unlock();
          void listener.configure({ wantSpeech });
        }}
      />
    </>
  );
}
