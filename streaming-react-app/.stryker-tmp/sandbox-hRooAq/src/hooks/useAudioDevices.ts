// @ts-nocheck
import { useEffect, useState } from 'react';

/** Sound devices, kept up to date as they come and go. Names appear once a microphone was allowed. */
export function useAudioDevices(
  kind: 'audioinput' | 'audiooutput',
  refresh: unknown,
): MediaDeviceInfo[] {
  const [devices, setDevices] = useState<MediaDeviceInfo[]>([]);
  useEffect(() => {
    const media = navigator.mediaDevices as MediaDevices | undefined;
    if (!media) return;
    let over = false;
    const list = async () => {
      const all = await media.enumerateDevices().catch(() => []);
      if (!over) {
        setDevices(
          all.filter(
            (device) =>
              device.kind === kind && device.deviceId !== '' && device.deviceId !== 'default',
          ),
        );
      }
    };
    const changed = () => void list();
    media.addEventListener('devicechange', changed);
    void list();
    return () => {
      over = true;
      media.removeEventListener('devicechange', changed);
    };
  }, [kind, refresh]);
  return devices;
}
