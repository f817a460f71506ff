import { useEffect, useState } from 'react';

/** The microphones, kept up to date as they come and go. Names appear once one was allowed. */
export function useAudioInputs(refresh: unknown): MediaDeviceInfo[] {
  const [devices, setDevices] = useState<MediaDeviceInfo[]>([]);
  useEffect(() => {
    const media = navigator.mediaDevices as MediaDevices | undefined;
    if (!media) return;
    let over = false;
    const list = async () => {
      const all = await media.enumerateDevices().catch(() => []);
      if (!over) {
        setDevices(all.filter((device) => device.kind === 'audioinput' && device.deviceId !== ''));
      }
    };
    const changed = () => void list();
    media.addEventListener('devicechange', changed);
    void list();
    return () => {
      over = true;
      media.removeEventListener('devicechange', changed);
    };
  }, [refresh]);
  return devices;
}
