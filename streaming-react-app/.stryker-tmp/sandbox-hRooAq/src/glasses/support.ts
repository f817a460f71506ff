// @ts-nocheck
import { useEffect, useState } from 'react';

/** Whether this browser can show something in front of somebody's eyes (WebXR, immersive AR). */
export function useGlassesPossible(): boolean {
  const [possible, setPossible] = useState(false);
  useEffect(() => {
    let over = false;
    void navigator.xr
      ?.isSessionSupported('immersive-ar')
      .catch(() => false)
      .then((supported) => {
        if (!over) setPossible(supported);
      });
    return () => {
      over = true;
    };
  }, []);
  return possible;
}
