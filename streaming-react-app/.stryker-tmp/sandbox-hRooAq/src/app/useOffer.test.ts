// @ts-nocheck
import { describe, expect, it } from 'vitest';
import { firstTarget } from './useOffer';

describe('firstTarget', () => {
  const offered = ['afr', 'deu', 'eng', 'spa'];

  it('keeps what was chosen before, if it is offered', () => {
    expect(firstTarget(offered, 'deu', 'eng')).toBe('deu');
    expect(firstTarget(offered, 'jpn', 'eng')).toBe('spa');
  });

  it("takes a common language that is not the speaker's own", () => {
    expect(firstTarget(offered, null, 'eng')).toBe('spa');
    expect(firstTarget(offered, null, 'deu')).toBe('eng');
  });

  it('makes do with what there is', () => {
    expect(firstTarget(['eng'], null, 'eng')).toBe('eng');
    expect(firstTarget(['zul'], null, 'eng')).toBe('zul');
    expect(firstTarget([], null, 'eng')).toBeNull();
  });
});
