import {
  Activity,
  Glasses,
  LogOut,
  Maximize,
  Minimize,
  QrCode,
  Settings,
  ShieldCheck,
} from 'lucide-react';
import { useCallback, useEffect, useRef, useState } from 'react';
import type { ReactNode } from 'react';
import { useTranslation } from '../i18n';
import { later } from '../app/later';
import { useClient } from '../app/client';
import { forgetTab } from '../net/clientId';
import { useStore } from '../state/store';
import { useGlassesPossible } from '../glasses/support';
import { useFullscreen } from '../hooks/useFullscreen';
import { Button, IconButton } from '../ui/Button';
import { Brand } from './Brand';
import { LivePill } from './LivePill';

// What opens on a click loads on that click.
const GlassesView = later(() => import('../glasses/GlassesView'));
const HostDialog = later(() => import('./HostDialog'));
const InviteDialog = later(() => import('./InviteDialog'));
const SettingsDialog = later(() => import('./SettingsDialog'));

interface Props {
  /** Without a room the bar shows only the display's settings. */
  roomID?: string | null;
  lang?: string | null;
  debug?: { shown: boolean; toggle: () => void };
  children?: ReactNode;
}

function leave(): void {
  forgetTab();
  const url = new URL(window.location.href);
  for (const name of ['roomID', 'role', 'autoJoin', 'lang']) url.searchParams.delete(name);
  window.location.assign(url);
}

export function TopBar({ roomID, lang, debug, children }: Props) {
  const { t } = useTranslation();
  const [dialog, setDialog] = useState<'settings' | 'invite' | 'host' | 'glasses' | null>(null);
  const glasses = useGlassesPossible();
  const { room } = useClient();
  const hosts = useStore(room.view, ({ state }) => state !== null && state.owner === room.me);
  const fullscreen = useFullscreen();
  const heading = useRef<HTMLHeadingElement>(null);
  const close = useCallback(() => setDialog(null), []);

  // The button that led into the room is gone: the keyboard and the screen reader start here.
  useEffect(() => {
    if (!roomID) return;
    document.title = `${roomID} – ${t('brand')}`;
    heading.current?.focus({ preventScroll: true });
  }, [roomID, t]);

  return (
    <header className="top">
      <Brand />
      {roomID && (
        <h1 className="room-code" ref={heading} tabIndex={-1}>
          <span className="room-code-word">{t('room.code')}</span>{' '}
          <strong data-testid="room-code">{roomID}</strong>
        </h1>
      )}
      {roomID && <LivePill />}
      <span className="spacer" />
      {roomID && (
        <Button
          look="outlined"
          icon={<QrCode size={20} />}
          onClick={() => setDialog('invite')}
          className="invite"
          aria-label={t('room.invite')}
        >
          {t('room.invite')}
        </Button>
      )}
      {children}
      {roomID && hosts && (
        <IconButton label={t('host.title')} onClick={() => setDialog('host')}>
          <ShieldCheck size={20} />
        </IconButton>
      )}
      {roomID && glasses && (
        <IconButton label={t('ar.enter')} onClick={() => setDialog('glasses')}>
          <Glasses size={20} />
        </IconButton>
      )}
      {debug && (
        <IconButton
          label="Debug panel"
          lang="en"
          aria-pressed={debug.shown}
          onClick={debug.toggle}
          className="wide-only"
        >
          <Activity size={20} />
        </IconButton>
      )}
      {fullscreen.possible && (
        <IconButton
          label={t(fullscreen.active ? 'settings.exitFullscreen' : 'settings.fullscreen')}
          onClick={fullscreen.toggle}
          className="wide-only"
        >
          {fullscreen.active ? <Minimize size={20} /> : <Maximize size={20} />}
        </IconButton>
      )}
      <IconButton label={t('settings.open')} onClick={() => setDialog('settings')}>
        <Settings size={20} />
      </IconButton>
      {roomID && (
        <IconButton label={t('room.leave')} onClick={leave}>
          <LogOut size={20} />
        </IconButton>
      )}
      {dialog === 'settings' && <SettingsDialog onClose={close} />}
      {dialog === 'glasses' && <GlassesView onClose={close} />}
      {dialog === 'host' && <HostDialog onClose={close} />}
      {dialog === 'invite' && roomID && (
        <InviteDialog roomID={roomID} lang={lang ?? null} onClose={close} />
      )}
    </header>
  );
}
