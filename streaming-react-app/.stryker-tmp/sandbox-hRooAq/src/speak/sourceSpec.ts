// @ts-nocheck
import type { Clip } from '../net/api';
import { preferences } from '../state/preferences';
import type { SourceSpec } from './state';

export interface Chosen {
  kind: SourceSpec['kind'];
  file: File | null;
  clip: Clip | null;
}

/** What to open for a choice, or null while something is missing. */
export function specOf({ kind, file, clip }: Chosen): SourceSpec | null {
  switch (kind) {
    case 'microphone': {
      const { deviceId, noiseSuppression, echoCancellation } = preferences.getState();
      return { kind, deviceId, noiseSuppression, echoCancellation };
    }
    case 'tab': {
      const { tabNoiseSuppression, tabEchoCancellation } = preferences.getState();
      return {
        kind,
        noiseSuppression: tabNoiseSuppression,
        echoCancellation: tabEchoCancellation,
      };
    }
    case 'file':
      return file && { kind, file };
    case 'clip':
      return clip && { kind, url: clip.url, name: clip.text || clip.name };
  }
}
