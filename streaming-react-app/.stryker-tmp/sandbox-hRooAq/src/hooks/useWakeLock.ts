// @ts-nocheck
import { useEffect } from 'react';

/** Keeps the screen on while `wanted`, also after the page was hidden and shown again. */
export function useWakeLock(wanted: boolean): void {
  useEffect(() => {
    if (!wanted || !('wakeLock' in navigator)) return;
    let lock: WakeLockSentinel | null = null;
    let over = false;
    const acquire = async () => {
      if (document.visibilityState !== 'visible') return;
      try {
        lock = await navigator.wakeLock.request('screen');
        if (over) await lock.release();
      } catch {
        // A low battery may refuse: the screen then sleeps as usual.
      }
    };
    const shown = () => void acquire();
    document.addEventListener('visibilitychange', shown);
    void acquire();
    return () => {
      over = true;
      document.removeEventListener('visibilitychange', shown);
      void lock?.release();
    };
  }, [wanted]);
}
