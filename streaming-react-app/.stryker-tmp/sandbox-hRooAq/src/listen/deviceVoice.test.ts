// @ts-nocheck
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Line } from '../transcript/transcript';
import { DeviceVoice } from './deviceVoice';

const line = (key: string, text: string, finished = true): Line => ({
  key,
  speakerID: 'ann',
  stream: 0,
  segmentID: 0,
  lang: 'ell',
  pieces: [],
  text,
  freshFrom: 0,
  finished,
});

describe('DeviceVoice', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('reads new sentences once, when they are finished, in their language', () => {
    const speak = vi.fn<(spoken: { text: string; lang: string }) => void>();
    vi.stubGlobal('speechSynthesis', { speak, cancel: vi.fn() });
    vi.stubGlobal(
      'SpeechSynthesisUtterance',
      class {
        lang = '';
        constructor(readonly text: string) {}
      },
    );
    const voice = new DeviceVoice();
    const old = line('a', 'παλιό');
    voice.read([old], 'ell');
    voice.want(true, [old]);
    voice.read([old, line('b', 'καλ', false)], 'ell');
    expect(speak).not.toHaveBeenCalled();
    voice.read([old, line('b', 'καλημέρα'), { ...line('c', 'hola'), lang: 'spa' }], 'ell');
    voice.read([old, line('b', 'καλημέρα')], 'ell');
    expect(speak.mock.calls.map(([spoken]) => [spoken.text, spoken.lang])).toEqual([
      ['καλημέρα', 'el'],
    ]);
  });
});
