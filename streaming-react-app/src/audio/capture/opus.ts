/** Audio on its way to the server as Opus, encoded by the browser (WebCodecs). */
import { joinBuffers } from '../pcm';
import type { OpusAudio } from '../../wire/messages';

/** That Opus knows, in Hz. */
const RATES = new Set([8000, 12_000, 16_000, 24_000, 48_000]);
/** Its own. */
export const OPUS_RATE = 48_000;
const PACKETS_PER_SECOND = 50;
/** What libopus's encoder looks ahead, in samples at 48 kHz, where a browser does not tell. */
const USUAL_SKIP = 312;
const BIT_RATE = 32_000;

const config = (sampleRate: number): AudioEncoderConfig => ({
  codec: 'opus',
  sampleRate,
  numberOfChannels: 1,
  bitrate: BIT_RATE,
  opus: { frameDuration: 1_000_000 / PACKETS_PER_SECOND },
});

/** Browsers have it on secure pages only, and not all of them. */
export async function canEncodeOpus(rate: number): Promise<boolean> {
  try {
    return (
      RATES.has(rate) && ((await AudioEncoder.isConfigSupported(config(rate))).supported ?? false)
    );
  } catch {
    return false;
  }
}

/** Packets of Opus, each behind its length in two bytes. */
export function packed(packets: readonly Uint8Array<ArrayBuffer>[]): ArrayBuffer {
  return joinBuffers(
    packets.flatMap((packet) => [
      new Uint8Array([packet.length >> 8, packet.length & 255]).buffer,
      packet.buffer,
    ]),
  );
}

/** In the identification header (RFC 7845, 5.1), which some browsers give. */
function skipIn(description: AllowSharedBufferSource | undefined): number {
  if (description === undefined || description.byteLength < 12) return USUAL_SKIP;
  const view = ArrayBuffer.isView(description)
    ? new DataView(description.buffer, description.byteOffset)
    : new DataView(description);
  return view.getUint16(10, true);
}

interface Piece<Asked> {
  /** Packets of the encoder up to its end. */
  packets: number;
  asked: Asked | undefined;
}

/**
 * Encodes one stream. What does not fill a packet waits for the next piece, or for `end`.
 *
 * `Asked` goes along with the audio that it came with.
 */
export class OpusUplink<Asked> {
  private encoder: AudioEncoder | null = null;
  private ending: Promise<void> | null = null;
  /** Null until the encoder tells. */
  private skip: number | null = null;
  /** Samples: given to this one, to the encoder, and sent. */
  private taken = 0;
  private fed = 0;
  private sent = 0;
  /** Packets that were sent, and those that wait. */
  private before = 0;
  private readonly packets: Uint8Array<ArrayBuffer>[] = [];
  private readonly pieces: Piece<Asked>[] = [];
  /** What the next one that is sent brings along. */
  private asked: Asked | undefined;

  /**
   * @param send Takes what is encoded, in order.
   * @param onError This browser cannot encode it after all; what was not sent is lost here.
   */
  constructor(
    private readonly rate: number,
    private readonly send: (audio: OpusAudio, asked: Asked | undefined) => void,
    private readonly onError: () => void,
  ) {}

  push(pcm: ArrayBuffer, asked?: Asked): void {
    if (this.ending) {
      void this.ending.then(() => this.push(pcm, asked));
      return;
    }
    this.taken += pcm.byteLength / 2;
    this.feed(pcm);
    this.pieces.push({ packets: Math.floor(this.fed / this.size), asked });
    this.deliver();
  }

  /** Resolves when all that was pushed is sent; what follows begins anew. */
  end(): Promise<void> {
    if (this.ending) return this.ending;
    const { encoder } = this;
    if (!encoder || this.taken === this.sent) {
      this.reset();
      return Promise.resolve();
    }
    const whole = Math.ceil((this.taken + (this.skip ?? this.size)) / this.size) * this.size;
    this.feed(new ArrayBuffer(2 * Math.max(0, whole - this.fed)));
    this.pieces.push({ packets: this.fed / this.size, asked: undefined });
    this.ending = encoder
      .flush()
      .catch(() => undefined)
      .then(() => {
        if (this.encoder === encoder) this.reset();
      });
    return this.ending;
  }

  /** Drops what was not sent; what follows begins anew. */
  reset(): void {
    const { encoder } = this;
    this.encoder = null;
    this.ending = null;
    if (encoder && encoder.state !== 'closed') encoder.close();
    this.taken = this.fed = this.sent = this.before = 0;
    this.packets.length = this.pieces.length = 0;
    this.skip = null;
    this.asked = undefined;
  }

  private get size(): number {
    return this.rate / PACKETS_PER_SECOND;
  }

  private feed(pcm: ArrayBuffer): void {
    if (pcm.byteLength === 0) return;
    this.encoder ??= this.open();
    const data = new AudioData({
      format: 's16',
      sampleRate: this.rate,
      numberOfChannels: 1,
      numberOfFrames: pcm.byteLength / 2,
      timestamp: (this.fed / this.rate) * 1_000_000,
      data: pcm,
    });
    this.fed += pcm.byteLength / 2;
    this.encoder.encode(data);
    data.close();
  }

  private open(): AudioEncoder {
    const encoder: AudioEncoder = new AudioEncoder({
      output: (chunk, about) => {
        if (encoder !== this.encoder) return;
        this.skip ??= Math.round(
          (skipIn(about?.decoderConfig?.description) * this.rate) / OPUS_RATE,
        );
        const packet = new Uint8Array(chunk.byteLength);
        chunk.copyTo(packet);
        this.packets.push(packet);
        this.deliver();
      },
      error: () => {
        if (encoder === this.encoder) this.onError();
      },
    });
    encoder.configure(config(this.rate));
    return encoder;
  }

  private deliver(): void {
    for (;;) {
      const [piece] = this.pieces;
      if (!piece || piece.packets > this.before + this.packets.length) return;
      this.pieces.shift();
      const ready = this.packets.splice(0, piece.packets - this.before);
      this.asked = piece.asked ?? this.asked;
      if (ready.length === 0) continue;
      const begins = this.before === 0;
      this.before += ready.length;
      const skip = this.skip ?? 0;
      const until = Math.max(this.sent, Math.min(this.taken, this.before * this.size - skip));
      const samples = until - this.sent;
      this.sent = until;
      const { asked } = this;
      this.asked = undefined;
      this.send({ payload: packed(ready), samples, preSkip: begins ? skip : null }, asked);
    }
  }
}
