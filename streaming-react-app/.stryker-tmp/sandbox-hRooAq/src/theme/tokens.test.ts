// @ts-nocheck
import { describe, expect, it } from 'vitest';
import { TOKENS, contrast } from './tokens';

describe.each(Object.entries(TOKENS))('%s', (look, tokens) => {
  const wanted = look === 'contrast' ? 7 : 4.5;

  it.each(['text', 'quiet', 'primary', 'live'] as const)(
    '%s is readable on every ground',
    (name) => {
      for (const ground of [tokens.ground, tokens.surface, tokens.tint]) {
        expect(contrast(tokens[name], ground)).toBeGreaterThanOrEqual(wanted);
      }
    },
  );

  it('text on filled buttons is readable', () => {
    expect(contrast(tokens.onPrimary, tokens.primary)).toBeGreaterThanOrEqual(wanted);
    expect(contrast(tokens.onLive, tokens.live)).toBeGreaterThanOrEqual(wanted);
  });

  it('outlines of controls can be seen', () => {
    expect(contrast(tokens.outline, tokens.surface)).toBeGreaterThanOrEqual(3);
    expect(contrast(tokens.outline, tokens.ground)).toBeGreaterThanOrEqual(3);
  });
});
