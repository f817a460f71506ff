// @ts-nocheck
import { Headphones, Mic } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { enterRoom } from '../app/enter';
import { useOffer } from '../app/useOffer';
import type { UrlParams } from '../app/urlParams';
import { readLanguages } from '../languages/languages';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import { Button } from '../ui/Button';
import { Switch, TextField } from '../ui/fields';
import type { Role } from '../wire/messages';
import { JoinProblem } from './JoinProblem';
import { LanguagePicker } from './LanguagePicker';
import { LinkNotice } from './LinkNotice';

interface Props {
  params: UrlParams;
  roomID: string;
  onOther: () => void;
}

/** For somebody who was invited: which room, in which language, with sound or without; one button. */
export function JoinCard({ params, roomID, onOther }: Props) {
  const { t } = useTranslation();
  const client = useClient();
  const phase = useStore(client.room.view, (view) => view.phase);
  const { name, listenLanguage } = useStore(preferences);
  const offer = useOffer();
  const [hear, setHear] = useState(false);
  const [chosen, setChosen] = useState<string | null | undefined>(params.lang ?? undefined);
  const speaks = params.role === 'speaker';
  const likely = readLanguages(
    offer.text.map((language) => language.code),
    navigator.languages,
  )[0];
  const language = chosen !== undefined ? chosen : (listenLanguage ?? likely ?? null) || null;

  const [asked, setAsked] = useState<Role>('listener');
  const enter = (role: Role, open: boolean, passcode: string | null = null) => {
    setAsked(role);
    if (role === 'listener' && chosen !== undefined) {
      preferences.setState({ listenLanguage: chosen ?? '' });
    }
    const lang = role === 'listener' ? (chosen ?? null) : params.lang;
    const lockName = params.enableServerLock && role === 'speaker' ? name.trim() || roomID : null;
    preferences.setState({ wantSpeech: hear });
    void enterRoom(client, { roomID, role, lang, lockName, hear, open, passcode });
  };

  return (
    <div className="card">
      <h1>
        {t('home.invited')}
        <span className="unseen">{roomID}</span>
        <span className="boxes" aria-hidden="true">
          {[...roomID].map((letter, i) => (
            <span key={i}>{letter}</span>
          ))}
        </span>
      </h1>
      <LinkNotice />
      <JoinProblem
        code={roomID}
        onOpen={() => enter('listener', true)}
        onPasscode={(passcode) => enter(asked, false, passcode)}
      />
      {!speaks && (
        <LanguagePicker
          label={t('listen.language')}
          none={t('listen.speakersChoice')}
          languages={offer.text}
          value={language}
          onChange={setChosen}
        />
      )}
      {!speaks && (
        <div>
          <Switch label={t('home.hear')} checked={hear} onChange={setHear} />
          <p className="hint">{t('home.hearHint')}</p>
        </div>
      )}
      <TextField
        label={t('home.yourName')}
        value={name}
        onChange={(value) => preferences.setState({ name: value })}
        maxLength={100}
        autoComplete="nickname"
      />
      <Button
        look="filled"
        size="large"
        disabled={phase === 'joining'}
        icon={speaks ? <Mic size={20} /> : <Headphones size={20} />}
        onClick={() => enter(speaks ? 'speaker' : 'listener', speaks)}
      >
        {t(speaks ? 'home.speakHere' : 'home.join')}
      </Button>
      <div className="row wrap between">
        {!speaks && (
          <Button size="small" icon={<Mic size={16} />} onClick={() => enter('speaker', true)}>
            {t('home.speakHere')}
          </Button>
        )}
        <Button size="small" onClick={onOther}>
          {t('home.otherRoom')}
        </Button>
      </div>
    </div>
  );
}
