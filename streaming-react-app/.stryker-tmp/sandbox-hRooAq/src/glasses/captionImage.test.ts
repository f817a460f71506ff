// @ts-nocheck
import { expect, it } from 'vitest';
import { wrapped } from './captionImage';

const letters = (text: string) => text.length;

it('cuts between words, and between signs where a script has no spaces', () => {
  expect(wrapped('one two three four', 'en', 9, letters)).toEqual(['one two', 'three', 'four']);
  expect(wrapped('今日は良い天気ですね', 'ja', 5, letters).join('')).toBe('今日は良い天気ですね');
  expect(wrapped('今日は良い天気ですね', 'ja', 5, letters).length).toBeGreaterThan(1);
});

it('leaves a word that is too long in one piece, and nothing of nothing', () => {
  expect(wrapped('Donaudampfschiff ahoi', 'de', 6, letters)).toEqual(['Donaudampfschiff', 'ahoi']);
  expect(wrapped('  ', 'en', 6, letters)).toEqual([]);
});
