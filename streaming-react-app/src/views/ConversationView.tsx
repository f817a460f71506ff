import { Mic, MicOff, RotateCcw, Square } from 'lucide-react';
import { useMemo, useState } from 'react';
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { enterRoom, firstSource } from '../app/enter';
import { ableModels, otherLanguage } from '../app/models';
import { useOffer } from '../app/useOffer';
import { Captions } from '../components/Captions';
import { DemoNotice } from '../components/DemoNotice';
import { LanguagePicker } from '../components/LanguagePicker';
import { LevelMeter } from '../components/LevelMeter';
import { LinkNotice } from '../components/LinkNotice';
import { ProblemAlert } from '../components/ProblemAlert';
import { useWakeLock } from '../hooks/useWakeLock';
import { direction, languageTag, nativeName } from '../languages/languages';
import { specOf } from '../speak/sourceSpec';
import { preferences } from '../state/preferences';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';
import { shownLines } from '../transcript/shown';
import { Button } from '../ui/Button';
import { Switch } from '../ui/fields';

type Side = 'near' | 'far';

/**
 * Two people, two languages, one phone between them: the upper half is turned to the other person,
 * each half has its own microphone button, and who speaks decides the direction.
 */
export default function ConversationView() {
  const client = useClient();
  const { speaker, room } = client;
  const offer = useOffer();
  const inside = useStore(room.view, (view) => view.phase === 'inside');
  const { speakLanguage, targetLanguage } = useStore(preferences);
  const [chosen, setChosen] = useState<Partial<Record<Side, string | null>>>({});
  const [speaks, setSpeaks] = useState<Side | null>(null);
  const sources = offer.source.map((language) => language.code);
  const agents = useStore(room.server, ({ state }) => state?.agentsCapabilities) ?? [];
  const near = chosen.near ?? firstSource(sources, speakLanguage);
  const far = chosen.far ?? otherLanguage(agents, targetLanguage, near);
  const languages: Record<Side, string | null> = { near, far };
  useWakeLock(inside);

  const talk = async (side: Side) => {
    const other = side === 'near' ? far : near;
    const was = speaks;
    setSpeaks(side);
    if (!inside) {
      const entry = { roomID: null, role: 'speaker' as const, lang: other, lockName: null };
      if (!(await enterRoom(client, entry))) return;
      await client.listener.configure({ language: null, wantText: true, heard: true });
    }
    if (was !== null) await speaker.stop();
    await speaker.setLanguages({ source: languages[side], target: other });
    const spec = specOf({ kind: 'microphone', file: null, clip: null });
    if (spec) await speaker.start(spec);
  };
  const stop = () => {
    setSpeaks(null);
    void speaker.stop();
  };
  const understands = (side: Side) => {
    const other = languages[side === 'near' ? 'far' : 'near'];
    return (
      languages[side] !== null &&
      other !== null &&
      ableModels(agents, languages[side], other, false).length > 0
    );
  };
  const halves = (['far', 'near'] as const).map((side) => (
    <Half
      key={side}
      side={side}
      code={languages[side]}
      hears={understands(side)}
      speaks={speaks === side}
      onLanguage={(code) => setChosen({ ...chosen, [side]: code })}
      onTalk={() => void talk(side)}
      onStop={stop}
    />
  ));
  return (
    <main className="conversation">
      {halves[0]}
      <Middle />
      {halves[1]}
    </main>
  );
}

/** Between the two: what concerns both. */
function Middle() {
  const { t } = useTranslation();
  const { listener, speaker, room } = useClient();
  const { wantSpeech } = useStore(listener.state);
  const problem = useStore(speaker.state, (state) => state.problem);
  const message = useStore(speaker.state, (state) => state.serverMessage);
  const error = useStore(room.view, (view) => view.error);
  return (
    <div className="conversation-middle">
      <h1 className="unseen">{t('talk.title')}</h1>
      <LinkNotice />
      {problem && <ProblemAlert problem={problem} onClose={() => speaker.dismissProblem()} />}
      {(message ?? error) && <p role="alert">{message ?? error}</p>}
      <DemoNotice brief />
      <div className="row between">
        <Switch
          label={t('talk.aloud')}
          checked={wantSpeech}
          onChange={(on) => {
            if (on) void listener.unlock();
            void listener.configure({ wantSpeech: on });
          }}
        />
        <a className="button plain small" href={document.baseURI}>
          <RotateCcw size={16} aria-hidden="true" />
          <span>{t('talk.end')}</span>
        </a>
      </div>
    </div>
  );
}

interface HalfProps {
  side: Side;
  code: string | null;
  /** Whether the model understands that language when it is spoken. */
  hears: boolean;
  speaks: boolean;
  onLanguage: (code: string | null) => void;
  onTalk: () => void;
  onStop: () => void;
}

function Half({ side, code, hears, speaks, onLanguage, onTalk, onStop }: HalfProps) {
  const { t } = useTranslation();
  const { listener, speaker } = useClient();
  const offer = useOffer();
  const languages = useStore(serverInfo, (info) => info.languages);
  const transcript = useStore(listener.transcript);
  const phase = useStore(speaker.state, (state) => state.phase);
  // Each side reads every sentence in its own language: its own words as they were heard.
  const lines = useMemo(
    () => shownLines(transcript.lines, () => code).filter((line) => !line.foreign),
    [transcript.lines, code],
  );
  const language = offer.text.find((item) => item.code === code);
  const name = language ? nativeName(language) : (code ?? '');
  const live = speaks && phase === 'live';
  return (
    <section
      className={`half half-${side}`}
      aria-label={name}
      lang={code === null ? undefined : languageTag(code)}
    >
      <Captions
        lines={lines}
        languages={languages}
        nameOf={() => ''}
        showNames={false}
        animate
        wanted={code}
        label={name}
        empty=""
      />
      <div className="half-bar" dir={language && direction(language)}>
        <LanguagePicker
          label={t('talk.language')}
          languages={offer.text}
          value={code}
          onChange={onLanguage}
        />
        {live && <LevelMeter level={speaker.level} />}
        <Button
          className="talk"
          look="filled"
          size="large"
          strong={speaks}
          aria-pressed={speaks}
          disabled={!hears}
          icon={speaks ? <Square size={18} /> : hears ? <Mic size={20} /> : <MicOff size={20} />}
          onClick={speaks ? onStop : onTalk}
        >
          {t(speaks ? 'talk.stop' : 'talk.speak')}
        </Button>
      </div>
      {!hears && code !== null && (
        <p className="hint" data-testid="not-heard">
          {t('talk.notHeard', { language: name })}
        </p>
      )}
    </section>
  );
}
