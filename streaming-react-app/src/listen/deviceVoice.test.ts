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
    const cancel = vi.fn();
    vi.stubGlobal('speechSynthesis', { speak, cancel });
    vi.stubGlobal(
      'SpeechSynthesisUtterance',
      class {
        lang = '';
        constructor(readonly text: string) {}
      },
    );
    const voice = new DeviceVoice();
    const old = line('a', 'παλιό');
    const how = { volume: 3, speed: 1.25 };
    const greek = ({ lang }: Line) => lang === 'ell';
    voice.read([old], greek, how);
    voice.want('ell', [old]);
    voice.read([old, line('b', 'καλ', false)], greek, how);
    expect(speak).not.toHaveBeenCalled();
    voice.read([old, line('b', 'καλημέρα'), { ...line('c', 'hola'), lang: 'spa' }], greek, how);
    voice.read([old, line('b', 'καλημέρα')], greek, how);
    expect(speak.mock.calls[0]?.[0]).toMatchObject({ volume: 1, rate: 1.25 });
    expect(cancel).not.toHaveBeenCalled();
    voice.want(null, []);
    expect(cancel).toHaveBeenCalledOnce();
    voice.read([line('d', 'αντίο')], greek, how);
    expect(speak.mock.calls.map(([spoken]) => [spoken.text, spoken.lang])).toEqual([
      ['καλημέρα', 'el'],
    ]);
  });
});
