import { describe, expect, it } from 'vitest';
import { Uplink } from './uplink';
import type { UplinkPort } from './uplink';

const RATE = 16000;
const frame = (mark = 0): ArrayBuffer => new Int16Array(320).fill(mark).buffer;

class Wire implements UplinkPort {
  open = true;
  sent: ArrayBuffer[] = [];
  acks: ((queuedMs: number) => void)[] = [];
  ready = () => this.open;
  send = (pcm: ArrayBuffer, onAck?: (queuedMs: number) => void) => {
    this.sent.push(pcm);
    if (onAck) this.acks.push(onAck);
  };
}

describe('Uplink', () => {
  it('sends each 20 ms frame at once and asks for an answer every 200 ms', () => {
    const wire = new Wire();
    const uplink = new Uplink(wire, RATE);
    for (let i = 0; i < 20; i += 1) uplink.push(frame());
    expect(wire.sent.map((pcm) => pcm.byteLength)).toEqual(Array(20).fill(640));
    expect(wire.acks.length).toBe(2);
    expect(uplink.figures).toMatchObject({ sentMs: 400, heldMs: 0, droppedMs: 0 });
  });

  it('holds audio while the connection is away and sends it joined, in order', () => {
    const wire = new Wire();
    const uplink = new Uplink(wire, RATE);
    wire.open = false;
    for (let i = 0; i < 30; i += 1) uplink.push(frame(i));
    expect(wire.sent).toEqual([]);
    expect(uplink.figures.heldMs).toBe(600);
    wire.open = true;
    uplink.flush();
    expect(wire.sent.map((pcm) => pcm.byteLength / 640)).toEqual([25, 5]);
    const marks = wire.sent.flatMap((pcm) =>
      [...new Int16Array(pcm)].filter((_, i) => i % 320 === 0),
    );
    expect(marks).toEqual(Array.from({ length: 30 }, (_, i) => i));
  });

  it('holds back until the server acknowledges', () => {
    const wire = new Wire();
    const uplink = new Uplink(wire, RATE, { maxUnackedMs: 400 });
    for (let i = 0; i < 40; i += 1) uplink.push(frame());
    expect(wire.sent.length).toBe(20);
    expect(uplink.figures.heldMs).toBe(400);
    wire.acks.at(-1)?.(0);
    expect(uplink.figures.heldMs).toBe(0);
  });

  it('drops the oldest beyond the bound and counts it', () => {
    const wire = new Wire();
    wire.open = false;
    const uplink = new Uplink(wire, RATE, { maxHeldMs: 100 });
    for (let i = 0; i < 8; i += 1) uplink.push(frame(i));
    expect(uplink.figures).toMatchObject({ heldMs: 100, droppedMs: 60 });
    wire.open = true;
    uplink.flush();
    expect(new Int16Array(wire.sent[0] ?? new ArrayBuffer(2))[0]).toBe(3);
  });

  it('asks a patient source to wait while the server has a queue, with some hysteresis', () => {
    const wire = new Wire();
    const uplink = new Uplink(wire, RATE);
    const acknowledge = (queuedMs: number) => {
      for (let i = 0; i < 10; i += 1) uplink.push(frame());
      wire.acks.at(-1)?.(queuedMs);
    };
    acknowledge(3500);
    expect(uplink.slowDown).toBe(true);
    acknowledge(2000);
    expect(uplink.slowDown).toBe(true);
    acknowledge(1000);
    expect(uplink.slowDown).toBe(false);
    acknowledge(2000);
    expect(uplink.slowDown).toBe(false);
  });

  it('forgets acknowledgements of a lost connection', () => {
    const wire = new Wire();
    const uplink = new Uplink(wire, RATE, { maxUnackedMs: 400 });
    for (let i = 0; i < 30; i += 1) uplink.push(frame());
    const stale = wire.acks.at(-1);
    uplink.resume(null);
    stale?.(9000);
    expect(uplink.figures.queuedMs).toBe(0);
    uplink.flush();
    expect(uplink.figures.heldMs).toBe(0);
  });

  it('bounds what it holds, what it sends at once and what is unanswered, exactly', () => {
    const wire = new Wire();
    wire.open = false;
    const full = new Uplink(wire, RATE, { maxHeldMs: 100 });
    for (let i = 0; i < 5; i += 1) full.push(frame(i));
    expect(full.figures).toMatchObject({ heldMs: 100, droppedMs: 0 });
    full.push(frame(5));
    expect(full.figures).toMatchObject({ heldMs: 100, droppedMs: 20 });
    wire.open = true;
    full.flush();
    expect(marksOf(wire.sent)).toEqual([1, 2, 3, 4, 5]);

    const large = new Wire();
    const joined = new Uplink(large, RATE, { maxMessageMs: 40, ackEveryMs: 1000 });
    large.open = false;
    for (let i = 0; i < 5; i += 1) joined.push(frame(i));
    joined.push(new Int16Array(RATE).fill(9).buffer);
    large.open = true;
    joined.flush();
    // A message that is longer by itself goes alone.
    expect(large.sent.map((pcm) => pcm.byteLength / 640)).toEqual([2, 2, 1, 50]);
    expect(joined.figures).toMatchObject({ sentMs: 1100, heldMs: 0 });

    const waiting = new Wire();
    const unanswered = new Uplink(waiting, RATE, { maxUnackedMs: 60, ackEveryMs: 20 });
    for (let i = 0; i < 4; i += 1) unanswered.push(frame(i));
    expect(waiting.sent).toHaveLength(3);
    waiting.acks[0]?.(0);
    expect(waiting.sent).toHaveLength(4);
    // An answer that comes late takes nothing back.
    waiting.acks[2]?.(0);
    waiting.acks[1]?.(0);
    unanswered.push(frame(4));
    unanswered.push(frame(5));
    expect(waiting.sent).toHaveLength(6);
    expect(waiting.acks).toHaveLength(6);
  });

  it('asks for an answer when as much was sent as it should', () => {
    const wire = new Wire();
    const uplink = new Uplink(wire, RATE, { ackEveryMs: 60 });
    for (let i = 0; i < 2; i += 1) uplink.push(frame(i));
    expect(wire.acks).toHaveLength(0);
    uplink.push(frame(2));
    expect(wire.acks).toHaveLength(1);
    for (let i = 0; i < 3; i += 1) uplink.push(frame(i));
    expect(wire.acks).toHaveLength(2);
  });

  it('asks a patient source to wait for what it holds itself, too', () => {
    const wire = new Wire();
    wire.open = false;
    const uplink = new Uplink(wire, RATE, { slowDownAboveMs: 100 });
    for (let i = 0; i < 5; i += 1) uplink.push(frame());
    expect(uplink.slowDown).toBe(false); // exactly as much as is borne
    uplink.push(frame());
    expect(uplink.slowDown).toBe(true);
  });
});

function marksOf(sent: ArrayBuffer[]): number[] {
  return sent.flatMap((pcm) => [...new Int16Array(pcm)].filter((_, i) => i % 320 === 0));
}

/** A server that keeps what reaches it, and whose connection can be cut. */
class Far extends Wire {
  got: ArrayBuffer[] = [];
  reaches = true;
  answers = true;
  override send = (pcm: ArrayBuffer, onAck?: (queuedMs: number) => void) => {
    if (this.reaches) this.got.push(pcm);
    if (this.reaches && this.answers) onAck?.(0);
  };
  get receivedMs() {
    return this.got.reduce((sum, pcm) => sum + pcm.byteLength / 32, 0);
  }
}

describe('after a lost connection', () => {
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

  it('sends again what did not arrive, and nothing twice', () => {
    for (const [reached, answered] of [
      [7, 3],
      [7, 7],
      [3, 3],
      [0, 0],
      [40, 0],
    ] as const) {
      const far = new Far();
      const uplink = new Uplink(far, RATE, { ackEveryMs: 40 });
      uplink.begin();
      for (let i = 0; i < 40; i += 1) {
        far.reaches = i < reached;
        far.answers = i < answered;
        uplink.push(frame(i));
      }
      far.reaches = far.answers = true;
      uplink.resume(far.receivedMs);
      uplink.flush();
      expect(marksOf(far.got)).toEqual(numbers(40));
      expect(uplink.figures).toMatchObject({ sentMs: 800, heldMs: 0, droppedMs: 0 });
      uplink.push(frame(40));
      expect(marksOf(far.got)).toEqual(numbers(41));
    }
  });

  it('keeps the order of what waited meanwhile', () => {
    const far = new Far();
    const uplink = new Uplink(far, RATE);
    uplink.begin();
    far.reaches = false;
    for (let i = 0; i < 10; i += 1) uplink.push(frame(i));
    far.open = false;
    for (let i = 10; i < 20; i += 1) uplink.push(frame(i));
    far.reaches = far.open = true;
    uplink.resume(0);
    expect(uplink.figures).toMatchObject({ sentMs: 0, heldMs: 400 });
    uplink.flush();
    expect(marksOf(far.got)).toEqual(numbers(20));
  });

  it('believes a rounded answer', () => {
    const far = new Far();
    const uplink = new Uplink(far, 44_100);
    uplink.begin();
    const odd = () => new Int16Array(883).buffer; // 20.02 ms
    for (let i = 0; i < 30; i += 1) uplink.push(odd());
    uplink.resume(Math.round(((883 * 30) / 44_100) * 1000) - 0.5);
    uplink.flush();
    expect(far.got).toHaveLength(30);
  });

  it('sends a new stream what the old one did not acknowledge', () => {
    const far = new Far();
    const uplink = new Uplink(far, RATE, { ackEveryMs: 100 });
    uplink.begin();
    for (let i = 0; i < 20; i += 1) {
      far.answers = i < 10;
      uplink.push(frame(i));
    }
    far.got = []; // another server
    far.answers = true;
    uplink.begin();
    uplink.flush();
    expect(marksOf(far.got)).toEqual(numbers(20).slice(10));
    // What the server has counts from there.
    far.reaches = false;
    for (let i = 20; i < 25; i += 1) uplink.push(frame(i));
    far.reaches = true;
    uplink.resume(far.receivedMs);
    uplink.flush();
    expect(marksOf(far.got)).toEqual(numbers(25).slice(10));
  });

  it('keeps what another server may ask for, and sends it from the very sample', () => {
    const far = new Far();
    const acks: ((queuedMs: number, doneMs?: number | null) => void)[] = [];
    far.send = (pcm, onAck?: (queuedMs: number, doneMs?: number | null) => void) => {
      far.got.push(pcm);
      if (onAck) acks.push(onAck);
    };
    const uplink = new Uplink(far, RATE, { ackEveryMs: 100, maxHeldMs: 100 });
    uplink.begin();
    for (let i = 0; i < 50; i += 1) {
      uplink.push(frame(i));
      acks.pop()?.(0, Math.min(200, far.receivedMs));
    }
    far.got = [];
    // The other server has a pause at 250 ms, in the middle of a frame.
    uplink.resume(250);
    uplink.push(frame(50));
    expect(far.receivedMs).toBe(1020 - 250);
    expect(new Int16Array(far.got[0] ?? new ArrayBuffer(2))[0]).toBe(12);
    expect(marksOf(far.got).at(-1)).toBe(50);
    expect(uplink.figures).toMatchObject({ sentMs: 1020, heldMs: 0, droppedMs: 0 });
    // What is done is not kept.
    expect(acks.length).toBeGreaterThan(0);
    acks.at(-1)?.(0, 900);
    far.got = [];
    uplink.resume(0);
    uplink.flush();
    expect(far.receivedMs).toBeLessThan(300);
  });

  it('knows that an encoder keeps the last of what it sent', () => {
    const wire = new Wire();
    const uplink = new Uplink(wire, RATE);
    for (let i = 0; i < 10; i += 1) uplink.push(frame(i));
    const ack = wire.acks[0] as (queuedMs: number, doneMs: null, receivedMs: number) => void;
    ack(0, null, 193.5);
    uplink.resume(193.5);
    uplink.flush();
    const [again, ...more] = wire.sent.slice(10);
    expect(more).toEqual([]);
    expect([...new Int16Array(again ?? new ArrayBuffer(0))]).toEqual(Array(104).fill(9));
  });

  it('goes on with a server that does not tell', () => {
    const far = new Far();
    const uplink = new Uplink(far, RATE, { maxUnackedMs: 100 });
    far.answers = false;
    for (let i = 0; i < 10; i += 1) uplink.push(frame(i));
    expect(far.got).toHaveLength(5);
    uplink.resume(null);
    uplink.flush();
    expect(marksOf(far.got)).toEqual(numbers(10));
  });
});
