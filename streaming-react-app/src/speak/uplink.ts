/**
 * The way of the captured audio to the server. Frames go out as they come; while the connection is
 * away or the server has not acknowledged enough, they wait here (bounded), and go out joined.
 */
import { joinBuffers } from '../audio/pcm';

/**
 * Called with the milliseconds of audio that wait at the server, those of the stream that nobody
 * will ask for again, which a server without replicas does not tell, and those that it has.
 */
export type OnAck = (queuedMs: number, doneMs?: number | null, receivedMs?: number | null) => void;

export interface UplinkPort {
  /** Whether audio may be sent now: connected, and the stream configured. */
  ready(): boolean;
  send(pcm: ArrayBuffer, onAck?: OnAck): void;
}

export interface UplinkOptions {
  /** Ask for an acknowledgement after this much audio. */
  ackEveryMs: number;
  /** Hold back when this much is unacknowledged. */
  maxUnackedMs: number;
  /** Keep at most this much while held back; the oldest goes first. */
  maxHeldMs: number;
  /** Keep at most this much that was sent, for another server to go on with. */
  maxKeptMs: number;
  /** Longest message when held audio goes out. */
  maxMessageMs: number;
  /** Audio waiting at the server from which a patient source is asked to wait. */
  slowDownAboveMs: number;
}

/** Times come rounded from the server. */
const ROUNDING_MS = 1;

const DEFAULTS: UplinkOptions = {
  ackEveryMs: 200,
  maxUnackedMs: 2000,
  maxHeldMs: 15_000,
  maxKeptMs: 120_000,
  maxMessageMs: 500,
  slowDownAboveMs: 3000,
};

export interface UplinkFigures {
  sentMs: number;
  heldMs: number;
  droppedMs: number;
  queuedMs: number;
}

export class Uplink {
  private readonly options: UplinkOptions;
  private held: ArrayBuffer[] = [];
  private heldMs = 0;
  private sentMs = 0;
  private ackedMs = 0;
  private askedMs = 0;
  private droppedMs = 0;
  private queuedMs = 0;
  private slow = false;
  private epoch = 0;
  /** Messages that a server may ask for again, with where each ends. */
  private kept: { pcm: ArrayBuffer; endMs: number }[] = [];
  /** Audio that was sent before and is held again. */
  private againMs = 0;
  /** Where the stream that runs now began. */
  private streamFromMs = 0;

  constructor(
    private readonly port: UplinkPort,
    private readonly rate: number,
    options: Partial<UplinkOptions> = {},
  ) {
    this.options = { ...DEFAULTS, ...options };
  }

  get figures(): UplinkFigures {
    const { sentMs, heldMs, droppedMs, queuedMs } = this;
    return { sentMs, heldMs, droppedMs, queuedMs };
  }

  /** Whether a source that can wait should wait. */
  get slowDown(): boolean {
    const waiting = Math.max(this.queuedMs, this.heldMs);
    this.slow = waiting > this.options.slowDownAboveMs / (this.slow ? 2 : 1);
    return this.slow;
  }

  push(pcm: ArrayBuffer): void {
    this.held.push(pcm);
    this.heldMs += this.milliseconds(pcm);
    while (this.heldMs > this.options.maxHeldMs + this.againMs) {
      const lost = this.milliseconds(this.held.shift() ?? new ArrayBuffer(0));
      this.heldMs -= lost;
      this.droppedMs += lost;
    }
    this.flush();
  }

  /**
   * The stream goes on after a lost connection. What the server does not have of it goes out again,
   * and nothing twice.
   *
   * @param receivedMs All that it has of this stream; null if it does not tell.
   */
  resume(receivedMs: number | null): void {
    this.goBack(receivedMs === null ? this.sentMs : this.streamFromMs + receivedMs);
    // What the server lacks and is not kept is lost.
    if (receivedMs !== null) this.streamFromMs = this.sentMs - receivedMs;
  }

  /** A stream begins. What was not acknowledged of one before it goes out again. */
  begin(): void {
    this.goBack(this.ackedMs);
    this.streamFromMs = this.sentMs;
  }

  /** Takes back what was sent behind a place; answers to it are of no use any more. */
  private goBack(fromMs: number): void {
    this.epoch += 1;
    const lost = this.kept.filter(({ endMs }) => endMs > fromMs + ROUNDING_MS);
    this.kept = [];
    const parts = lost.map(({ pcm, endMs }) => this.behind(pcm, endMs, fromMs));
    const ms = parts.reduce((sum, pcm) => sum + this.milliseconds(pcm), 0);
    this.held.unshift(...parts);
    this.heldMs += ms;
    this.againMs += ms;
    this.sentMs -= ms;
    this.ackedMs = this.sentMs;
    this.askedMs = this.sentMs;
    this.queuedMs = 0;
  }

  /** Sends what is held, as far as the server keeps up. */
  flush(): void {
    while (this.held.length > 0 && this.port.ready() && this.unacked < this.options.maxUnackedMs) {
      this.sendNext();
    }
  }

  private get unacked(): number {
    return this.sentMs - this.ackedMs;
  }

  private sendNext(): void {
    const parts: ArrayBuffer[] = [];
    let length = 0;
    for (const part of this.held) {
      const ms = this.milliseconds(part);
      if (parts.length > 0 && length + ms > this.options.maxMessageMs) break;
      parts.push(part);
      length += ms;
    }
    this.held.splice(0, parts.length);
    this.heldMs = Math.max(0, this.heldMs - length);
    this.againMs = Math.max(0, this.againMs - length);
    this.sentMs += length;
    const pcm = parts.length === 1 && parts[0] ? parts[0] : joinBuffers(parts);
    this.kept.push({ pcm, endMs: this.sentMs });
    this.forget(this.sentMs - this.options.maxKeptMs);
    if (this.sentMs - this.askedMs < this.options.ackEveryMs) {
      this.port.send(pcm);
      return;
    }
    const position = this.sentMs;
    const { epoch } = this;
    this.askedMs = position;
    this.port.send(pcm, (queuedMs, doneMs, receivedMs) => {
      if (epoch !== this.epoch) return;
      // An encoder may have kept the last of it.
      const kept = position - this.streamFromMs - (receivedMs ?? Infinity);
      this.ackedMs = Math.max(this.ackedMs, kept > ROUNDING_MS ? position - kept : position);
      const done = typeof doneMs === 'number' ? this.streamFromMs + doneMs : this.ackedMs;
      this.forget(Math.min(done, this.ackedMs));
      this.queuedMs = queuedMs;
      this.flush();
    });
  }

  /** What of a message lies behind a place. */
  private behind(pcm: ArrayBuffer, endMs: number, fromMs: number): ArrayBuffer {
    const skippedMs = fromMs - (endMs - this.milliseconds(pcm));
    if (skippedMs <= ROUNDING_MS) return pcm;
    return pcm.slice(2 * Math.round((skippedMs / 1000) * this.rate));
  }

  private forget(untilMs: number): void {
    this.kept = this.kept.filter(({ endMs }) => endMs > untilMs);
  }

  private milliseconds(pcm: ArrayBuffer): number {
    return (pcm.byteLength / 2 / this.rate) * 1000;
  }
}
