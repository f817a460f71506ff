import { X } from 'lucide-react';
import { useCallback, useState } from 'react';
import { useTranslation } from '../i18n';
import { later } from '../app/later';
import { useClient } from '../app/client';
import { changeRole } from '../app/enter';
import { useNames } from '../app/useNames';
import { useShown } from '../app/useShown';
import type { UrlParams } from '../app/urlParams';
import { Announcer } from '../components/Announcer';
import { Captions } from '../components/Captions';
import { DemoNotice } from '../components/DemoNotice';
import { KeepMenu } from '../components/KeepMenu';
import { LineActions } from '../components/LineActions';
import { LinkNotice } from '../components/LinkNotice';
import { ListenBar } from '../components/ListenBar';
import { TopBar } from '../components/TopBar';
import { useCaptionSize } from '../hooks/useCaptionSize';
import { useShortcuts } from '../hooks/useShortcuts';
import { useWakeLock } from '../hooks/useWakeLock';
import { preferences } from '../state/preferences';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';
import { marks } from '../transcript/marks';
import type { ShownLine } from '../transcript/shown';
import { Button, IconButton } from '../ui/Button';
import { Notice } from '../ui/Notice';

/** Listeners need not wait for what only speakers use. */
const SpeakPanel = later(() => import('../components/SpeakPanel'));
const SpeakBar = later(() => import('../components/SpeakBar'));
const HearYourself = later(() => import('../components/HearYourself'));
const DebugPanel = later(() => import('../debug/DebugPanel'));
const KeysDialog = later(() => import('../components/KeysDialog'));

/** What a host, or the room's rules, did to this member. */
const TOLD = { muted: 'room.muted', speakers_closed: 'home.speakersClosed' } as const;

const actionsOf = (line: ShownLine) => <LineActions line={line} />;

/** Inside a room: captions in the middle of everything, controls beside or below. */
export default function RoomView({ params }: { params: UrlParams }) {
  const { t } = useTranslation();
  const client = useClient();
  const { roomID, roles, state } = useStore(client.room.view);
  const lines = useShown();
  const { wantText, language } = useStore(client.listener.state);
  const phase = useStore(client.speaker.state, (speaking) => speaking.phase);
  const target = useStore(client.speaker.state, (speaking) => speaking.targetLanguage);
  const { keepAwake, announce, letters } = useStore(preferences);
  const captionSize = useCaptionSize();
  const languages = useStore(serverInfo, (info) => info.languages);
  const { nameOf, several } = useNames();
  const [debug, setDebug] = useState(params.debug);
  const byLine = useStore(marks, (state) => state.byLine);
  const code = useStore(client.room.view, (view) => view.code);
  const [keys, setKeys] = useState(false);
  const showKeys = useCallback(() => setKeys(true), []);
  const speaks = roles.includes('speaker');
  const others = (state?.speakers ?? []).some((id) => id !== client.room.me);
  useWakeLock(keepAwake);
  useShortcuts(client, captionSize, showKeys);

  const empty = () => {
    if (speaks && phase === 'live') return t('captions.waitingSpeaking');
    return others || speaks ? t('captions.waiting') : t('captions.waitingAlone');
  };

  return (
    <div
      className={`room ${speaks ? 'speaks' : 'listens'} ${phase === 'live' ? 'live' : ''}`}
      style={{ '--caption-size': `${String(captionSize)}px` } as React.CSSProperties}
    >
      <TopBar
        roomID={roomID}
        lang={speaks ? target : language}
        debug={{ shown: debug, toggle: () => setDebug(!debug) }}
      >
        {roomID && <KeepMenu roomID={roomID} nameOf={nameOf} speaks={speaks} />}
      </TopBar>
      <div className="notices">
        <LinkNotice />
        {!speaks && <DemoNotice brief />}
        {code !== null && code in TOLD && (
          <Notice kind="warning" onClose={() => client.room.view.setState({ code: null })}>
            {t(TOLD[code as keyof typeof TOLD])}
          </Notice>
        )}
      </div>
      <main className="stage">
        {wantText ? (
          <Captions
            lines={lines}
            languages={languages}
            nameOf={nameOf}
            showNames={several}
            animate={params.animateTextDisplay}
            letters={letters}
            wanted={speaks ? target : language}
            label={t('room.captions')}
            empty={empty()}
            marks={byLine}
            actionsOf={actionsOf}
          />
        ) : (
          <div className="captions-frame" />
        )}
        <Announcer lines={lines} mode={announce} />
      </main>
      {speaks ? <SpeakSide live={phase === 'live'} /> : <ListenBar />}
      {debug && <DebugPanel onClose={() => setDebug(false)} />}
      {keys && <KeysDialog onClose={() => setKeys(false)} />}
    </div>
  );
}

/** A speaker's controls: beside the captions, or on a phone a sheet above a bar. */
function SpeakSide({ live }: { live: boolean }) {
  const { t } = useTranslation();
  const client = useClient();
  const [open, setOpen] = useState(!live);
  const [was, setWas] = useState(live);
  if (was !== live) {
    // Who goes live wants to see the captions; who stops, the settings.
    setWas(live);
    setOpen(!live);
  }
  return (
    <>
      <aside className={open ? 'side' : 'side closed'} aria-label={t('room.controls')}>
        <div className="side-head">
          <h2>{t('speak.settings')}</h2>
          <IconButton label={t('settings.close')} onClick={() => setOpen(false)}>
            <X size={20} />
          </IconButton>
        </div>
        <SpeakPanel />
        <HearYourself />
        <Button onClick={() => void changeRole(client, 'listener')}>
          {t('room.stopSpeaking')}
        </Button>
      </aside>
      <SpeakBar open={open} onMore={() => setOpen(!open)} />
    </>
  );
}
