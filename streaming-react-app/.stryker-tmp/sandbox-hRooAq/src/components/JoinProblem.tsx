// @ts-nocheck
import { useState } from 'react';
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { rememberToken } from '../net/clientId';
import { useStore } from '../state/store';
import { Button } from '../ui/Button';
import { TextField } from '../ui/fields';
import { Notice } from '../ui/Notice';

interface Props {
  code: string;
  /** Opens the room that nobody has opened. */
  onOpen: () => void;
  onPasscode: (passcode: string) => void;
}

const SAID = {
  room_closed: 'home.roomClosed',
  speakers_closed: 'home.speakersClosed',
  removed: 'room.removed',
  room_ended: 'room.ended',
} as const;

/** Why the room was not entered, and what to do about it. */
export function JoinProblem({ code, onOpen, onPasscode }: Props) {
  const { t } = useTranslation();
  const { room, connection } = useClient();
  const { error, code: kind } = useStore(room.view);
  const [secret, setSecret] = useState('');
  if (error === null) return null;
  if (kind === 'no_room') {
    return (
      <Notice
        kind="error"
        action={
          <Button size="small" look="outlined" onClick={onOpen}>
            {t('home.openRoom', { code })}
          </Button>
        }
      >
        {t('home.noRoom', { code })}
      </Notice>
    );
  }
  if (kind === 'passcode') {
    return (
      <Notice kind="warning">
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault();
            onPasscode(secret);
          }}
        >
          <TextField
            label={t('home.passcode')}
            value={secret}
            onChange={setSecret}
            autoComplete="off"
            help={t('home.passcodeHelp')}
          />
          <button type="submit" className="button filled" disabled={secret === ''}>
            {t('home.secretGo')}
          </button>
        </form>
      </Notice>
    );
  }
  if (kind === 'unauthorized') {
    return (
      <Notice kind="error">
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault();
            rememberToken(secret);
            connection.setToken(secret);
            room.view.setState({ error: null, code: null });
          }}
        >
          <TextField
            label={t('home.secret')}
            type="password"
            value={secret}
            onChange={setSecret}
            autoComplete="current-password"
            help={t('home.secretWrong')}
          />
          <button type="submit" className="button filled" disabled={secret === ''}>
            {t('home.secretGo')}
          </button>
        </form>
      </Notice>
    );
  }
  const said = kind !== null && kind in SAID ? t(SAID[kind as keyof typeof SAID]) : null;
  return <Notice kind="error">{said ?? `${t('room.joinFailed')} ${error}`}</Notice>;
}
