// @ts-nocheck
import { useEffect, useState } from 'react';
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { useStore } from '../state/store';

const two = (value: number) => String(Math.floor(value)).padStart(2, '0');

export function clock(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const hours = Math.floor(seconds / 3600);
  const rest = `${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours > 0 ? `${String(hours)}:${rest}` : rest;
}

/** Whether somebody is heard now, to be seen from afar; for the speaker with the time. */
export function LivePill() {
  const { t } = useTranslation();
  const { room, speaker } = useClient();
  const mine = useStore(speaker.state, ({ phase, startedAt }) =>
    phase === 'live' ? startedAt : null,
  );
  const others = useStore(room.view, ({ state }) => (state?.activeTranscoders ?? 0) > 0);
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (mine === null) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [mine]);
  const on = mine !== null || others;
  return (
    <span className={on ? 'live-pill on' : 'live-pill'} data-testid="live">
      {t(on ? 'room.live' : 'room.quiet')}
      {mine !== null && <time aria-hidden="true">{clock(now - mine)}</time>}
    </span>
  );
}
