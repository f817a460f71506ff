import Alert from '@mui/material/Alert';
import ButtonBase from '@mui/material/ButtonBase';
import FormControlLabel from '@mui/material/FormControlLabel';
import Switch from '@mui/material/Switch';
import { Headphones, Mic } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useClient } from '../app/client';
import { enterRoom } from '../app/enter';
import { ROOM_CODE } from '../app/urlParams';
import type { UrlParams } from '../app/urlParams';
import { DemoNotice } from '../components/DemoNotice';
import { Field } from '../components/Field';
import { LinkNotice } from '../components/LinkNotice';
import { TopBar } from '../components/TopBar';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import type { Role } from '../wire/messages';

/** The first thing that people see: two buttons, and what they may set before. */
export default function HomeView({ params }: { params: UrlParams }) {
  const { t } = useTranslation();
  const client = useClient();
  const { phase, error } = useStore(client.room.view);
  const agents = useStore(client.room.server, ({ state }) => state?.agentsCapabilities);
  const name = useStore(preferences, (prefs) => prefs.name);
  const [code, setCode] = useState(params.roomID ?? '');
  const [lock, setLock] = useState(params.enableServerLock);
  const wrong = code !== '' && !ROOM_CODE.test(code);
  const model = agents?.[0];

  const enter = (role: Role) => {
    if (wrong) return;
    const lockName = role === 'speaker' && lock ? name.trim() || t('room.code') : null;
    const entry = { roomID: code || null, role, lang: params.lang, lockName, clicked: true };
    void enterRoom(client, entry);
  };

  return (
    <div className="home">
      <TopBar />
      <main className="home-main">
        <h1>{t('home.title')}</h1>
        <p className="lead">{t('home.lead')}</p>
        <LinkNotice />
        {error !== null && (
          <Alert severity="error">
            {t('room.joinFailed')} {error}
          </Alert>
        )}
        <div className="doors">
          {(['speaker', 'listener'] as const).map((role) => {
            const Icon = role === 'speaker' ? Mic : Headphones;
            const word = role === 'speaker' ? 'speak' : 'listen';
            return (
              <ButtonBase
                key={role}
                className={`door door-${role}`}
                disabled={phase === 'joining' || wrong}
                onClick={() => enter(role)}
                aria-describedby={`${word}-hint`}
              >
                <Icon size={40} strokeWidth={1.75} aria-hidden="true" />
                <span className="door-word">{t(`home.${word}`)}</span>
                <span className="door-hint" id={`${word}-hint`}>
                  {t(`home.${word}Hint`)}
                </span>
              </ButtonBase>
            );
          })}
        </div>
        <div className="home-fields">
          <Field
            label={t('home.roomCode')}
            value={code}
            error={wrong}
            help={wrong ? t('home.roomCodeInvalid') : t('home.roomCodeHelp')}
            onChange={(value) => {
              const typed = value.trim();
              // Made codes are capitals: typed on a phone they come in any case.
              setCode(/^[a-z]{1,12}$/i.test(typed) ? typed.toUpperCase() : typed);
            }}
            input={{ autoComplete: 'off', spellCheck: false }}
          />
          <Field
            label={t('home.yourName')}
            value={name}
            onChange={(value) => preferences.setState({ name: value })}
            input={{ maxLength: 100, autoComplete: 'nickname' }}
          />
        </div>
        {params.enableServerLock && (
          <FormControlLabel
            control={<Switch checked={lock} onChange={(_event, on) => setLock(on)} />}
            label={t('home.lock')}
          />
        )}
        <DemoNotice />
        {model && (
          <footer className="home-model">
            <p>{t('home.runs', { model: model.name })}</p>
            <p>{model.description}</p>
          </footer>
        )}
      </main>
    </div>
  );
}
