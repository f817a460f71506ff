// @ts-nocheck
import { useEffect, useRef } from 'react';
import { useTranslation } from '../i18n';
import type { Store } from '../state/store';
import type { Level } from '../speak/state';

/** dBFS shown at the meter's left end. */
const FLOOR_DB = -60;

export function meterShare(rms: number): number {
  const db = 20 * Math.log10(Math.max(rms, 1e-6));
  return Math.min(1, Math.max(0, 1 - db / FLOOR_DB));
}

/** Moves without React: fifty renders a second would be felt on a phone. */
export function LevelMeter({ level }: { level: Store<Level> }) {
  const { t } = useTranslation();
  const meter = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let shown = 0;
    return level.subscribe(({ rms }) => {
      const share = meterShare(rms);
      // Rises at once and falls slowly, as the ear does.
      shown = Math.max(share, shown - 0.02);
      meter.current?.style.setProperty('--level', shown.toFixed(3));
      meter.current?.setAttribute('aria-valuenow', String(Math.round(shown * 100)));
    });
  }, [level]);
  return (
    <div
      ref={meter}
      className="meter"
      role="meter"
      aria-label={t('speak.level')}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={0}
    >
      <span />
    </div>
  );
}
