import { LogOut, MicOff } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { useMembers } from '../app/useMembers';
import { useNames } from '../app/useNames';
import { useStore } from '../state/store';
import { Button, IconButton } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Switch, TextField } from '../ui/fields';
import { Notice } from '../ui/Notice';

/** What only the host of a room can do. */
export default function HostDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const { room, connection, speaker } = useClient();
  const state = useStore(room.view, (view) => view.state);
  const { nameOf } = useNames();
  const [passcode, setPasscode] = useState('');
  const [ending, setEnding] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const ask = (question: Promise<{ status: string; message: string }>) => {
    void question.then(
      (answer) => setProblem(answer.status === 'error' ? answer.message : null),
      () => setProblem(t('link.reconnecting')),
    );
  };
  const everybody = useMembers();
  const [gone, setGone] = useState<readonly string[]>([]);
  const others = everybody.members.filter(
    ({ client_id, roles }) =>
      client_id !== room.me && roles.length > 0 && !gone.includes(client_id),
  );
  const named = (id: string, number: number) => {
    const speaks = state?.speakers.includes(id) ?? false;
    const name = others.find((member) => member.client_id === id)?.name?.trim();
    return name || (speaks ? nameOf(id) : t('host.guest', { number }));
  };

  if (ending) {
    return (
      <Dialog
        title={t('host.endTitle')}
        onClose={() => setEnding(false)}
        actions={
          <>
            <Button onClick={() => setEnding(false)}>{t('host.endNo')}</Button>
            <Button
              look="filled"
              strong
              onClick={() => {
                onClose();
                void speaker
                  .stop()
                  .then(() => connection.endRoom())
                  .then(() => room.view.setState({ phase: 'outside', roles: [], state: null }));
              }}
            >
              {t('host.end')}
            </Button>
          </>
        }
      >
        <p>{t('host.endText')}</p>
      </Dialog>
    );
  }
  return (
    <Dialog
      title={t('host.title')}
      onClose={onClose}
      actions={
        <Button look="outlined" onClick={() => setEnding(true)}>
          {t('host.end')} …
        </Button>
      }
    >
      {problem && <Notice kind="error">{problem}</Notice>}
      <form
        className="row end"
        onSubmit={(event) => {
          event.preventDefault();
          ask(connection.setRoom({ passcode: passcode || null }));
          setPasscode('');
        }}
      >
        <TextField
          label={t('host.passcode')}
          value={passcode}
          onChange={setPasscode}
          maxLength={100}
          autoComplete="off"
          help={t(state?.hasPasscode ? 'host.passcodeIs' : 'host.passcodeHelp')}
        />
        <button type="submit" className="button outlined">
          {t(passcode === '' && state?.hasPasscode ? 'host.noPasscode' : 'host.set')}
        </button>
      </form>
      <div className="stack tight">
        <Switch
          label={t('host.speakersClosed')}
          checked={state?.speakersClosed ?? false}
          onChange={(on) => ask(connection.setRoom({ speakersClosed: on }))}
        />
        <Switch
          label={t('host.closed')}
          checked={state?.closed ?? false}
          onChange={(on) => ask(connection.setRoom({ closed: on }))}
        />
      </div>
      <section className="stack tight" aria-labelledby="host-people">
        <h3 id="host-people">{t('host.people')}</h3>
        {others.length === 0 && <p className="hint">{t('status.nobody')}</p>}
        <ul className="people">
          {others.map((member, i) => {
            const name = named(member.client_id, i + 1);
            const speaks = member.roles.includes('speaker');
            return (
              <li key={member.client_id}>
                <span>
                  <bdi>{name}</bdi>
                  <small>{t(speaks ? 'host.speaks' : 'host.listens')}</small>
                </span>
                {speaks && (
                  <IconButton
                    label={t('host.mute', { name })}
                    onClick={() => ask(connection.muteMember(member.client_id))}
                  >
                    <MicOff size={20} />
                  </IconButton>
                )}
                <IconButton
                  label={t('host.remove', { name })}
                  onClick={() => {
                    setGone([...gone, member.client_id]);
                    ask(connection.removeMember(member.client_id));
                  }}
                >
                  <LogOut size={20} />
                </IconButton>
              </li>
            );
          })}
        </ul>
        {everybody.more && (
          <div className="row between">
            <span className="hint" data-testid="people-shown">
              {t('host.shown', { shown: everybody.members.length, total: everybody.total })}
            </span>
            <Button size="small" look="outlined" onClick={everybody.more}>
              {t('host.more')}
            </Button>
          </div>
        )}
      </section>
    </Dialog>
  );
}
