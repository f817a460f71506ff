/** Speech that comes as Opus, decoded by the browser (WebCodecs) to 16-bit PCM. */
import type { OriginalSpeech } from '../../wire/messages';
import { encodePcm16, joinBuffers } from '../pcm';

const PACKET_US = 20_000;

const config = (sampleRate: number): AudioDecoderConfig => ({
  codec: 'opus',
  sampleRate,
  numberOfChannels: 1,
});

/** Browsers have it on secure pages only, and not all of them. */
export async function canDecodeOpus(): Promise<boolean> {
  try {
    return (await AudioDecoder.isConfigSupported(config(48_000))).supported ?? false;
  } catch {
    return false;
  }
}

/** The packets of a payload: each stands behind its length in two bytes. */
export function packetsOf(payload: ArrayBuffer): Uint8Array<ArrayBuffer>[] {
  const view = new DataView(payload);
  const packets: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at + 2 <= payload.byteLength;) {
    const size = view.getUint16(at);
    packets.push(new Uint8Array(payload, at + 2, size));
    at += 2 + size;
  }
  return packets;
}

/** What translated speech and speakers' own voices have in common. */
type Piece = Pick<OriginalSpeech, 'payload' | 'preSkip' | 'samples' | 'sample_rate'>;

interface Wanted {
  packets: number;
  /** Samples to leave out at the beginning, and how many there are then. */
  skip: number;
  samples: number;
  parts: ArrayBuffer[];
  done: (pcm16: ArrayBuffer) => void;
}

/** Decodes one voice, piece by piece and in order. */
class Voice {
  private readonly decoder: AudioDecoder;
  private readonly wanted: Wanted[] = [];
  private packets = 0;

  constructor(
    readonly rate: number,
    onError: (error: Error) => void,
  ) {
    this.decoder = new AudioDecoder({ output: (sound) => this.decoded(sound), error: onError });
    this.decoder.configure(config(rate));
  }

  decode({ payload, preSkip, samples }: Piece): Promise<ArrayBuffer> {
    const packets = packetsOf(payload);
    if (packets.length === 0) return Promise.resolve(new ArrayBuffer(0));
    for (const data of packets) {
      const timestamp = PACKET_US * this.packets++;
      this.decoder.decode(new EncodedAudioChunk({ type: 'key', timestamp, data }));
    }
    return new Promise((done) => {
      this.wanted.push({
        packets: packets.length,
        skip: preSkip ?? 0,
        samples: samples ?? 0,
        parts: [],
        done,
      });
    });
  }

  private decoded(sound: AudioData): void {
    const all = new Float32Array(sound.numberOfFrames);
    sound.copyTo(all, { planeIndex: 0, format: 'f32-planar' });
    // Browsers decode at 48 kHz. Nothing is above the rate that was encoded, so every third sample
    // of it is the sound at 16 kHz.
    const step = Math.max(1, Math.round(sound.sampleRate / this.rate));
    sound.close();
    const samples = all.filter((_, i) => i % step === 0);
    const [first] = this.wanted;
    if (first === undefined) return;
    first.parts.push(encodePcm16(samples));
    if (first.parts.length < first.packets) return;
    this.wanted.shift();
    const whole = joinBuffers(first.parts);
    first.done(whole.slice(2 * first.skip, 2 * (first.skip + first.samples)));
  }

  close(): void {
    if (this.decoder.state !== 'closed') this.decoder.close();
  }
}

export class OpusVoices {
  private readonly voices = new Map<string, Voice>();
  /** When each voice has given what was asked of it so far. */
  private readonly turns = new Map<string, Promise<ArrayBuffer>>();

  /** @param onError Speech cannot be decoded here after all. */
  constructor(private readonly onError: () => void) {}

  /** The piece as 16-bit PCM; pieces of one name come out in order, from one encoder to the next. */
  decode(name: string, piece: Piece, last = false): Promise<ArrayBuffer> {
    let voice = this.voices.get(name);
    if (voice === undefined || piece.preSkip !== null) {
      // The one before still has pieces to give; it is let go with its last one.
      voice = new Voice(piece.sample_rate, this.onError);
      this.voices.set(name, voice);
    }
    const pcm16 = voice.decode(piece);
    if (last) {
      const ended = voice;
      this.voices.delete(name);
      void pcm16.then(() => ended.close());
    }
    // A new decoder may be quicker than the one before with its last piece.
    const before = this.turns.get(name);
    const inTurn = before ? before.then(() => pcm16) : pcm16;
    this.turns.set(name, inTurn);
    return inTurn;
  }
}
