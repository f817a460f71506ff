/** WAV files of 16-bit mono PCM (RIFF, as in the Multimedia Programming Interface 1.0). */
// @ts-nocheck

import { joinBuffers } from '../audio/pcm';

export function wavFile(parts: readonly ArrayBuffer[], sampleRate: number): ArrayBuffer {
  const size = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const header = new DataView(new ArrayBuffer(44));
  const text = (at: number, value: string) =>
    [...value].forEach((letter, i) => header.setUint8(at + i, letter.charCodeAt(0)));
  text(0, 'RIFF');
  header.setUint32(4, 36 + size, true);
  text(8, 'WAVEfmt ');
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);
  header.setUint16(22, 1, true);
  header.setUint32(24, sampleRate, true);
  header.setUint32(28, sampleRate * 2, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  text(36, 'data');
  header.setUint32(40, size, true);
  return joinBuffers([header.buffer, ...parts]);
}
