import { afterEach, describe, expect, it, vi } from 'vitest';
import { fetchClips, fetchLanguages, fetchPhrases, fetchReadiness } from './api';
import { serverBase, serverPath } from './serverAddress';

describe('serverAddress', () => {
  it("is the page's own place, also below a path", () => {
    expect(serverBase(null, 'https://x.org/a/b/?roomID=1#t')).toBe('https://x.org/a/b/');
    expect(serverBase('http://y.org:7', 'https://x.org/')).toBe('http://y.org:7/');
    expect(serverPath('https://x.org/a/', '/api/languages')).toBe('https://x.org/a/api/languages');
  });
});

describe('api', () => {
  afterEach(() => vi.unstubAllGlobals());

  /** The network's answer; what is tested is how the page reads it. */
  function answers(body: unknown, status = 200): void {
    const text = JSON.stringify(body);
    vi.stubGlobal('fetch', () => Promise.resolve(new Response(text, { status })));
  }

  it('reads languages', async () => {
    answers([
      { code: 'spa', name: 'Spanish', script: 'Latn', source: true, text: true, speech: false },
    ]);
    expect(await fetchLanguages('http://x/')).toEqual([
      {
        code: 'spa',
        name: 'Spanish',
        script: 'Latn',
        sourceSpeech: true,
        targetText: true,
        targetSpeech: false,
      },
    ]);
  });

  it('reads phrases with translations beside the text or below it', async () => {
    answers([
      { model: 'mini', text: 'Hello', spa: 'Hola' },
      { eng: 'Bye', translations: { spa: 'Adiós', x: 1 } },
      { eng: 'Good', deu: 'Gut' },
      'nonsense',
    ]);
    const phrases = await fetchPhrases('http://x/');
    expect(phrases[0]).toEqual({ text: 'Hello', translations: { spa: 'Hola' } });
    expect(phrases.map((phrase) => phrase.text)).toEqual(['Hello', 'Bye', 'Good']);
  });

  it('makes whole addresses of clips', async () => {
    const translations = { spa: 'Hola' };
    answers([
      { name: 'a', url: '/api/samples/mini/a.flac', text: null, model: 'mini', translations },
      { name: 'b', url: '/api/samples/mini/b.flac', text: 'B' },
    ]);
    expect(await fetchClips('http://x/sub/')).toEqual([
      {
        name: 'a',
        url: 'http://x/sub/api/samples/mini/a.flac',
        model: 'mini',
        text: '',
        translations,
      },
      {
        name: 'b',
        url: 'http://x/sub/api/samples/mini/b.flac',
        model: '',
        text: 'B',
        translations: {},
      },
    ]);
  });

  it('takes "not ready" as an answer, and other errors as errors', async () => {
    answers({ ready: false, step: 'loading', model: 'm', error: null }, 503);
    expect(await fetchReadiness('http://x/')).toEqual({
      ready: false,
      step: 'loading',
      model: 'm',
      error: null,
    });
    answers({}, 500);
    await expect(fetchReadiness('http://x/')).rejects.toThrow('500');
  });
});
