import { useEffect, useState } from 'react';
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { firstTarget } from '../app/models';
import { useSpeakerOffer } from '../app/useOffer';
import { browserEnvironment, preflight } from '../audio/capture/problems';
import { preferences } from '../state/preferences';
import { loadSamples, serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';
import { nativeName } from '../languages/languages';
import type { Language } from '../languages/languages';
import { paceRange } from '../speak/options';
import { specOf } from '../speak/sourceSpec';
import { Choice } from '../ui/Button';
import { Select, Switch } from '../ui/fields';
import { Notice } from '../ui/Notice';
import { DemoNotice } from './DemoNotice';
import { FirstRun } from './FirstRun';
import { LanguagePicker } from './LanguagePicker';
import { ModelPicker } from './ModelPicker';
import { Pace } from './Pace';
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
  const { speaker, room, base } = useClient();
  const agents = useStore(room.server, (server) => server.state?.agentsCapabilities) ?? [];
  const ready = useStore(serverInfo, (info) => info.readiness?.ready ?? false);
  const state = useStore(speaker.state);
  const clips = useStore(serverInfo, (info) => info.clips);
  const { pushToTalk, pace, ownVoice, sendVoice, voice, firstRun } = useStore(preferences);
  const options = useStore(serverInfo, (info) => info.options);
  const paces = paceRange(options);
  const offer = useSpeakerOffer();
  const [choice, setChoice] = useState<SourceChoice>({
    kind: 'microphone',
    file: null,
    clip: null,
  });
  const source = { ...choice, clip: choice.clip ?? clips[0] ?? null };
  const spec = specOf(source);
  const idle = state.phase === 'idle';
  const onlyLanguage = offer.source.length === 1 ? offer.source[0] : undefined;
  const plays = choice.kind === 'file' || choice.kind === 'clip';
  const speaks = offer.model?.speechLangs.includes(state.targetLanguage ?? '') ?? true;
  const voices = offer.model?.voices[state.targetLanguage ?? ''] ?? 1;
  const [own, setOwn] = useState<{ source: string | null; target: string | null } | null>(null);
  const nameOf = (code: string | null, among: readonly Language[]) => {
    const language = among.find((item) => item.code === code);
    return language ? nativeName(language) : (code ?? '');
  };

  useEffect(() => {
    if (ready) void loadSamples(base);
  }, [base, ready]);

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
    if (part.kind !== undefined) showSamples(part.kind === 'clip');
  };

  /** Samples are there to show what their model does; for one's own words all is as it was. */
  const showSamples = (on: boolean) => {
    const into = Object.keys(source.clip?.translations ?? {});
    const { sourceLanguage, targetLanguage } = state;
    if (on && own === null && into[0] && !into.includes(targetLanguage ?? '')) {
      const hears = agents.find(({ name }) => name === source.clip?.model)?.sourceLangs ?? [];
      setOwn({ source: sourceLanguage, target: targetLanguage });
      const spoken = hears.length === 1 ? hears[0] : sourceLanguage;
      void speaker.setLanguages({ source: spoken, target: into[0] });
    } else if (!on && own !== null) {
      setOwn(null);
      void speaker.setLanguages(own);
    }
  };

  return (
    <>
      <section className="group" aria-label={t('speak.source')}>
        {state.problem && (
          <ProblemAlert problem={state.problem} onClose={() => speaker.dismissProblem()} />
        )}
        {state.serverMessage && (
          <Notice kind="error" onClose={() => speaker.dismissProblem()}>
            {t('status.serverSays', { message: state.serverMessage })}
          </Notice>
        )}
        {idle && onlyLanguage && !plays && (
          <p className="only-language" data-testid="only-language">
            {t('speak.only', { language: nativeName(onlyLanguage) })}
          </p>
        )}
        {idle && (
          <SourcePicker
            choice={source}
            clips={clips}
            target={state.targetLanguage}
            onChange={change}
            opened={state.startedAt}
          />
        )}
        {!idle && state.sourceLabel && <p className="hint ellipsis">{state.sourceLabel}</p>}
        {state.phase === 'waiting' && <WaitNotice />}
        {(state.phase === 'live' || state.phase === 'finishing') && <SpeakStatus />}
        {plays && (
          <Switch
            checked={state.monitor > 0}
            onChange={(on) => speaker.setMonitor(on ? 1 : 0)}
            label={t('speak.monitor')}
          />
        )}
      </section>
      <section className="group" aria-labelledby="languages-title">
        <h2 id="languages-title">{t('speak.languages')}</h2>
        <LanguagePicker
          label={t('speak.iSpeak')}
          none={t('speak.iSpeakAny')}
          languages={offer.source}
          value={state.sourceLanguage}
          onChange={(code) => {
            preferences.setState({ speakLanguage: code });
            setOwn(null);
            const able = agents.filter(({ name }) => state.model === null || name === state.model);
            const target = firstTarget(able, state.targetLanguage, code);
            void speaker.setLanguages({ source: code, target });
          }}
        />
        <LanguagePicker
          label={t('speak.into')}
          languages={offer.text}
          value={state.targetLanguage}
          onChange={(code) => {
            if (code === null) return;
            preferences.setState({ targetLanguage: code });
            setOwn(null);
            void speaker.setLanguages({ target: code });
          }}
        />
        {!offer.model && agents.length > 0 && (
          <Notice kind="warning" data-testid="no-model">
            {t('model.none', {
              source: nameOf(state.sourceLanguage, offer.source),
              target: nameOf(state.targetLanguage, offer.text),
            })}
          </Notice>
        )}
        {!speaks && (
          <p className="hint">
            {t('listen.noSpeech', { language: nameOf(state.targetLanguage, offer.text) })}
          </p>
        )}
      </section>
      <div className="group go">
        <SpeakControls
          plays={plays}
          startLabel={t(`speak.${START[choice.kind]}`)}
          startDisabled={spec === null || (agents.length > 0 && !offer.model)}
          model={offer.model}
          onStart={() => spec && void speaker.start(spec, pushToTalk && !plays)}
        />
      </div>
      {idle && firstRun && (
        <FirstRun
          ownWords={agents.some((agent) => !agent.demonstration)}
          onSample={clips.length > 0 ? () => change({ kind: 'clip' }) : null}
          onPhrase={(target) => {
            const hears = agents.find((agent) => agent.demonstration)?.sourceLangs ?? [];
            void speaker.setLanguages({ source: hears[0] ?? state.sourceLanguage, target });
          }}
          onClose={() => preferences.setState({ firstRun: false })}
        />
      )}
      <section className="group" aria-labelledby="more-title">
        <h2 id="more-title">{t('speak.more')}</h2>
        {idle && speaks && (
          <Choice
            label={t('speak.output')}
            value={state.output}
            onChange={(output) => speaker.state.setState({ output })}
            options={[
              { value: 's2s&t', label: t('speak.outBoth') },
              { value: 's2t', label: t('speak.outText') },
              { value: 's2s', label: t('speak.outSpeech') },
            ]}
          />
        )}
        {idle && voices > 1 && (
          <Select
            label={t('speak.voice')}
            value={String(Math.min(voice, voices))}
            onChange={(value) => preferences.setState({ voice: Number(value) })}
            options={Array.from({ length: voices }, (_, i) => ({
              value: String(i + 1),
              label: t('speak.voiceNumber', { number: i + 1 }),
            }))}
          />
        )}
        {speaker.canBeExpressive && (
          <div>
            <Switch
              label={t('speak.ownVoice')}
              checked={ownVoice}
              onChange={(on) => void speaker.setOwnVoice(on)}
            />
            <p className="hint">{t('speak.ownVoiceHint')}</p>
          </div>
        )}
        <div>
          <Switch
            label={t('speak.sendVoice')}
            checked={sendVoice}
            onChange={(on) => void speaker.setSendVoice(on)}
          />
          <p className="hint">{t('speak.sendVoiceHint')}</p>
        </div>
        {idle && paces && <Pace range={paces} pace={pace} />}
        {idle && <ModelPicker model={offer.model} />}
        {!plays && (
          <Switch
            checked={pushToTalk}
            onChange={(on) => {
              preferences.setState({ pushToTalk: on });
              if (!idle) speaker.setMuted(on);
            }}
            label={t('room.pushToTalk')}
          />
        )}
      </section>
      {idle && <DemoNotice model={offer.model} />}
      {idle && (
        <section className="group" aria-labelledby="tips-title">
          <h2 id="tips-title">{t('speak.tips')}</h2>
          <ul className="tips">
            <li>{t('speak.tipHeadphones')}</li>
            <li>{t('speak.tipNoise')}</li>
            <li>{t('speak.tipPause')}</li>
          </ul>
        </section>
      )}
      <Phrasebook target={state.targetLanguage} />
    </>
  );
}
