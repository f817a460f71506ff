// @ts-nocheck
import { describe, expect, it } from 'vitest';
import { EventLog, describePayload, filterLog } from './eventLog';
import { Metrics, percentile } from './metrics';

describe('EventLog', () => {
  it('writes payloads without their binary parts', () => {
    expect(describePayload({ a: 1, payload: new ArrayBuffer(640) })).toBe(
      '{"a":1,"payload":"<640 bytes>"}',
    );
    expect(describePayload('x'.repeat(5000)).length).toBeLessThan(700);
  });

  it('sums audio up by second', () => {
    const log = new EventLog();
    for (let i = 0; i < 100; i += 1) log.add('out', 'incoming_audio', new ArrayBuffer(640), i * 20);
    expect(log.list().map((entry) => entry.detail)).toEqual([
      '50 × <32000 bytes in all>',
      '50 × <32000 bytes in all>',
    ]);
  });

  it('is bounded and tells its watchers', () => {
    const log = new EventLog();
    let told = 0;
    const stop = log.subscribe(() => (told += 1));
    for (let i = 0; i < 2500; i += 1) log.add('in', 'event', i);
    stop();
    log.add('in', 'event', 0);
    expect(log.list()).toHaveLength(2000);
    expect(told).toBe(2500);
  });

  it('filters by words and by words to leave out', () => {
    const log = new EventLog();
    log.add('in', 'translation_text', { lang: 'spa' });
    log.add('in', 'translation_text', { lang: 'deu' });
    log.add('out', 'join_room', null);
    const found = (filter: string) => filterLog(log.list(), filter).length;
    expect([found(''), found('TEXT'), found('text deu'), found('-text'), found('in -deu')]).toEqual(
      [3, 2, 1, 1, 2],
    );
  });
});

describe('Metrics', () => {
  it('keeps numbers only, since a time', () => {
    const metrics = new Metrics();
    metrics.add('lag', 5, 100);
    metrics.add('lag', null, 150);
    metrics.add('lag', 7, 200);
    expect(metrics.points('lag', 150)).toEqual([{ time: 200, value: 7 }]);
  });

  it('finds percentiles', () => {
    const points = [5, 1, 4, 2, 3].map((value) => ({ time: 0, value }));
    expect([percentile(points, 0.5), percentile(points, 0.95), percentile([], 0.5)]).toEqual([
      3,
      5,
      null,
    ]);
  });
});
