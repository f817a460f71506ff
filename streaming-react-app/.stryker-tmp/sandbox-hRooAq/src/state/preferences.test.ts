// @ts-nocheck
import { describe, expect, it } from 'vitest';
import { preferences, readPreferences } from './preferences';

describe('preferences', () => {
  it('keep their defaults where nothing, or nonsense, is saved', () => {
    const defaults = readPreferences(null);
    expect(readPreferences('{broken')).toEqual(defaults);
    expect(readPreferences('{"volume":"loud","theme":7,"other":1}')).toEqual(defaults);
  });

  it('come back from where they were saved', () => {
    preferences.setState({ theme: 'dark', listenLanguage: 'deu', volume: 0.5 });
    const saved = localStorage.getItem('seamless.preferences');
    expect(readPreferences(saved)).toMatchObject({
      theme: 'dark',
      listenLanguage: 'deu',
      volume: 0.5,
    });
  });
});
