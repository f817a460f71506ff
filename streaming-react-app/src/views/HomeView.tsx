import { Headphones, Mic, Smartphone } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { enterRoom } from '../app/enter';
import { ROOM_CODE } from '../app/urlParams';
import type { UrlParams } from '../app/urlParams';
import { DemoNotice } from '../components/DemoNotice';
import { JoinCard } from '../components/JoinCard';
import { JoinProblem } from '../components/JoinProblem';
import { LinkNotice } from '../components/LinkNotice';
import { TopBar } from '../components/TopBar';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import { Switch, TextField } from '../ui/fields';
import type { Role } from '../wire/messages';

/** The first thing that people see: two doors, or the card of the room that they are invited to. */
export default function HomeView({ params }: { params: UrlParams }) {
  const [invited, setInvited] = useState(params.roomID);
  return (
    <div className="home">
      <TopBar />
      <main className="home-main">
        {invited === null ? (
          <Doors params={params} />
        ) : (
          <JoinCard params={params} roomID={invited} onOther={() => setInvited(null)} />
        )}
      </main>
    </div>
  );
}

function conversationLink(): string {
  const url = new URL(window.location.href);
  url.searchParams.set('view', 'conversation');
  return url.toString();
}

function Doors({ params }: { params: UrlParams }) {
  const { t } = useTranslation();
  const client = useClient();
  const phase = useStore(client.room.view, (view) => view.phase);
  const agents = useStore(client.room.server, ({ state }) => state?.agentsCapabilities);
  const name = useStore(preferences, (prefs) => prefs.name);
  const [code, setCode] = useState('');
  const [lock, setLock] = useState(params.enableServerLock);
  const wrong = code !== '' && !ROOM_CODE.test(code);

  const [asked, setAsked] = useState<Role>('listener');
  const enter = (role: Role, open: boolean, passcode: string | null = null) => {
    if (wrong) return;
    setAsked(role);
    const lockName = role === 'speaker' && lock ? name.trim() || t('room.code') : null;
    void enterRoom(client, {
      roomID: code || null,
      role,
      lang: params.lang,
      lockName,
      open,
      passcode,
    });
  };

  return (
    <>
      <h1>{t('home.title')}</h1>
      <p className="lead">{t('home.lead')}</p>
      <LinkNotice />
      <JoinProblem
        code={code}
        onOpen={() => enter('listener', true)}
        onPasscode={(passcode) => enter(asked, false, passcode)}
      />
      <div className="doors">
        {(['speaker', 'listener'] as const).map((role) => {
          const Icon = role === 'speaker' ? Mic : Headphones;
          const word = role === 'speaker' ? 'speak' : 'listen';
          return (
            <button
              key={role}
              type="button"
              className={`door door-${role}`}
              disabled={phase === 'joining' || wrong}
              onClick={() => enter(role, role === 'speaker' || code === '')}
              aria-label={t(`home.${word}`)}
              aria-describedby={`${word}-hint`}
            >
              <Icon size={36} strokeWidth={1.75} aria-hidden="true" />
              <span className="door-word">{t(`home.${word}`)}</span>
              <span className="door-hint" id={`${word}-hint`}>
                {t(`home.${word}Hint`)}
              </span>
            </button>
          );
        })}
      </div>
      <div className="home-fields">
        <TextField
          className="code"
          label={t('home.roomCode')}
          value={code}
          wrong={wrong}
          help={wrong ? t('home.roomCodeInvalid') : t('home.roomCodeHelp')}
          onChange={(value) => {
            const typed = value.trim();
            // Made codes are capitals: typed on a phone they come in any case.
            setCode(/^[a-z]{1,12}$/i.test(typed) ? typed.toUpperCase() : typed);
          }}
          autoComplete="off"
          spellCheck={false}
        />
        <TextField
          label={t('home.yourName')}
          value={name}
          onChange={(value) => preferences.setState({ name: value })}
          maxLength={100}
          autoComplete="nickname"
        />
      </div>
      <p className="home-more">
        <a className="button plain" href={conversationLink()}>
          <Smartphone size={18} aria-hidden="true" />
          <span>{t('talk.open')}</span>
        </a>
      </p>
      {params.enableServerLock && (
        <Switch label={t('home.lock')} checked={lock} onChange={setLock} />
      )}
      <DemoNotice />
      {agents?.[0] && (
        <footer className="home-model">
          <p>{t('home.runs', { model: agents.map(({ name }) => name).join(', ') })}</p>
          {agents.map(({ name, description }) => (
            <p key={name} lang="en">
              {description}
            </p>
          ))}
        </footer>
      )}
    </>
  );
}
