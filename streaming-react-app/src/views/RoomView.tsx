import Button from '@mui/material/Button';
import { Suspense, lazy, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useClient } from '../app/client';
import { changeRole } from '../app/enter';
import { useNames } from '../app/useNames';
import { useShown } from '../app/useShown';
import type { UrlParams } from '../app/urlParams';
import { Announcer } from '../components/Announcer';
import { Captions } from '../components/Captions';
import { KeepMenu } from '../components/KeepMenu';
import { LinkNotice } from '../components/LinkNotice';
import { ListenPanel } from '../components/ListenPanel';
import { TopBar } from '../components/TopBar';
import { useCaptionSize } from '../hooks/useCaptionSize';
import { useWakeLock } from '../hooks/useWakeLock';
import { preferences } from '../state/preferences';
import { serverInfo } from '../state/serverInfo';
import { useStore } from '../state/store';

/** Listeners need not wait for what only speakers use. */
const SpeakPanel = lazy(() => import('../components/SpeakPanel'));
const DebugPanel = lazy(() => import('../debug/DebugPanel'));

/** Inside a room: captions in the middle of everything, controls beside or below. */
export default function RoomView({ params }: { params: UrlParams }) {
  const { t } = useTranslation();
  const client = useClient();
  const { roomID, roles, state } = useStore(client.room.view);
  const lines = useShown();
  const { wantText, language } = useStore(client.listener.state);
  const phase = useStore(client.speaker.state, (speaking) => speaking.phase);
  const target = useStore(client.speaker.state, (speaking) => speaking.targetLanguage);
  const { keepAwake, announce, speakLanguage } = useStore(preferences);
  const captionSize = useCaptionSize();
  const languages = useStore(serverInfo, (info) => info.languages);
  const { nameOf, several } = useNames();
  const [debug, setDebug] = useState(params.debug);
  const speaks = roles.includes('speaker');
  const others = (state?.speakers ?? []).some((id) => id !== client.room.me);
  useWakeLock(keepAwake);

  const empty = () => {
    if (speaks && phase === 'live') return t('captions.waitingSpeaking');
    return others || speaks ? t('captions.waiting') : t('captions.waitingAlone');
  };

  return (
    <div
      className={speaks ? 'room speaks' : 'room'}
      style={{ '--caption-size': `${String(captionSize)}px` } as React.CSSProperties}
    >
      <TopBar
        roomID={roomID}
        lang={speaks ? target : language}
        spoken={speakLanguage}
        debug={{ shown: debug, toggle: () => setDebug(!debug) }}
      >
        {roomID && <KeepMenu roomID={roomID} nameOf={nameOf} speaks={speaks} />}
      </TopBar>
      <div className="notices">
        <LinkNotice />
      </div>
      <main className="stage">
        {wantText ? (
          <Captions
            lines={lines}
            languages={languages}
            nameOf={nameOf}
            showNames={several}
            animate={params.animateTextDisplay}
            label={t('room.captions')}
            empty={empty()}
          />
        ) : (
          <div className="captions-frame" />
        )}
        <Announcer lines={lines} mode={announce} />
      </main>
      <aside className="side" aria-label={t('room.controls')}>
        {speaks && (
          <Suspense>
            <SpeakPanel />
          </Suspense>
        )}
        <ListenPanel speaks={speaks} />
        <Button
          className="role-switch"
          onClick={() => void changeRole(client, speaks ? 'listener' : 'speaker')}
        >
          {speaks ? t('room.stopSpeaking') : t('room.alsoSpeak')}
        </Button>
      </aside>
      {debug && (
        <Suspense>
          <DebugPanel onClose={() => setDebug(false)} />
        </Suspense>
      )}
    </div>
  );
}
