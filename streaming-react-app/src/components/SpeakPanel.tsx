import Alert from '@mui/material/Alert';
import FormControlLabel from '@mui/material/FormControlLabel';
import Switch from '@mui/material/Switch';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useClient } from '../app/client';
import { useOffer } from '../app/useOffer';
import { browserEnvironment, preflight } from '../audio/capture/problems';
import { preferences } from '../state/preferences';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';
import { specOf } from '../speak/sourceSpec';
import { DemoNotice } from './DemoNotice';
import { LanguagePicker } from './LanguagePicker';
import { ModelPicker } from './ModelPicker';
import { Phrasebook } from './Phrasebook';
import { ProblemAlert } from './ProblemAlert';
import { SourcePicker } from './SourcePicker';
import type { SourceChoice } from './SourcePicker';
import { SpeakControls } from './SpeakControls';
import { SpeakStatus } from './SpeakStatus';
import { WaitNotice } from './WaitNotice';

const START = {
  microphone: 'start',
  tab: 'startTab',
  file: 'startFile',
  clip: 'startClip',
} as const;

/** Everything that a speaker sets and sees. */
export default function SpeakPanel() {
  const { t } = useTranslation();
  const { speaker } = useClient();
  const state = useStore(speaker.state);
  const clips = useStore(serverInfo, (info) => info.clips);
  const speakLanguage = useStore(preferences, (prefs) => prefs.speakLanguage);
  const offer = useOffer();
  const [choice, setChoice] = useState<SourceChoice>({
    kind: 'microphone',
    file: null,
    clip: null,
  });
  const spec = specOf({ ...choice, clip: choice.clip ?? clips[0] ?? null });
  const idle = state.phase === 'idle';

  useEffect(() => {
    if (choice.kind !== 'microphone' || !idle) return;
    let over = false;
    void preflight(browserEnvironment()).then((problem) => {
      if (!over && problem) speaker.state.setState({ problem });
    });
    return () => {
      over = true;
    };
    // Only when the source is chosen: a problem that was closed stays closed.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [choice.kind, speaker]);

  const change = (part: Partial<SourceChoice>) => {
    speaker.dismissProblem();
    setChoice((before) => ({ ...before, ...part }));
  };

  return (
    <section className="panel" aria-label={t('speak.source')}>
      {state.problem && (
        <ProblemAlert problem={state.problem} onClose={() => speaker.dismissProblem()} />
      )}
      {state.serverMessage && (
        <Alert
          severity="warning"
          onClose={() => speaker.dismissProblem()}
          slotProps={{ closeButton: { 'aria-label': t('problem.dismiss') } }}
        >
          {t('status.serverSays', { message: state.serverMessage })}
        </Alert>
      )}
      {idle && <DemoNotice model={state.model} />}
      {idle && (
        <SourcePicker
          choice={{ ...choice, clip: choice.clip ?? clips[0] ?? null }}
          clips={clips}
          target={state.targetLanguage}
          onChange={change}
          opened={state.startedAt}
        />
      )}
      {!idle && state.sourceLabel && <p className="hint ellipsis">{state.sourceLabel}</p>}
      {state.phase === 'waiting' && <WaitNotice />}
      <SpeakControls
        plays={choice.kind === 'file' || choice.kind === 'clip'}
        startLabel={t(`speak.${START[choice.kind]}`)}
        startDisabled={spec === null}
        onStart={() => spec && void speaker.start(spec)}
      />
      {(state.phase === 'live' || state.phase === 'finishing') && <SpeakStatus />}
      <div className="row pair">
        <LanguagePicker
          label={t('speak.iSpeak')}
          none={t('speak.iSpeakAny')}
          languages={offer.source}
          value={speakLanguage}
          onChange={(code) => preferences.setState({ speakLanguage: code })}
        />
        <LanguagePicker
          label={t('speak.into')}
          languages={offer.text}
          value={state.targetLanguage}
          onChange={(code) => {
            if (code === null) return;
            preferences.setState({ targetLanguage: code });
            void speaker.setTargetLanguage(code);
          }}
        />
      </div>
      {idle && <ModelPicker />}
      {(choice.kind === 'file' || choice.kind === 'clip') && (
        <FormControlLabel
          control={
            <Switch
              checked={state.monitor > 0}
              onChange={(_event, on) => speaker.setMonitor(on ? 1 : 0)}
            />
          }
          label={t('speak.monitor')}
        />
      )}
      <Phrasebook target={state.targetLanguage} />
    </section>
  );
}
