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
    uplink.reset();
    stale?.(9000);
    expect(uplink.figures.queuedMs).toBe(0);
    uplink.flush();
    expect(uplink.figures.heldMs).toBe(0);
  });
});
