// @ts-nocheck
import { describe, expect, it } from 'vitest';
import { readUrlParams, roomLink } from './urlParams';

describe('readUrlParams', () => {
  it("reads the original page's parameters", () => {
    const params = readUrlParams(
      '?animateTextDisplay=false&autoJoin=true&debug=true&enableServerLock=true&roomID=ABCD&serverURL=localhost:8000',
    );
    expect(params).toMatchObject({
      animateTextDisplay: false,
      autoJoin: true,
      debug: true,
      enableServerLock: true,
      roomID: 'ABCD',
      serverURL: 'http://localhost:8000',
    });
  });

  it('has calm defaults', () => {
    expect(readUrlParams('')).toMatchObject({
      animateTextDisplay: true,
      autoJoin: false,
      roomID: null,
      role: null,
      view: 'page',
      overlay: { lines: 2, position: 'bottom', color: '#ffffff' },
    });
  });

  it('takes a bare name as true', () => {
    expect(readUrlParams('?autoJoin').autoJoin).toBe(true);
  });

  it('ignores what does not fit instead of passing it on', () => {
    const params = readUrlParams(
      '?roomID=<script>&role=admin&lang=x&view=evil&lines=999&size=big&color=url(x)&serverURL=javascript://x',
    );
    expect(params).toMatchObject({
      roomID: null,
      role: null,
      lang: null,
      view: 'page',
      serverURL: null,
      overlay: { lines: 12, size: 44, color: '#ffffff' },
    });
  });

  it('reads languages with a script', () => {
    expect(readUrlParams('?lang=cmn_Hant').lang).toBe('cmn_Hant');
  });
});

describe('roomLink', () => {
  it('is short for a listener, and carries no token', () => {
    const page = 'https://example.org/page/?roomID=ABCD&token=secret#x';
    expect(roomLink(page, null, { roomID: 'WXYZ' })).toBe('https://example.org/page/r/WXYZ');
    expect(roomLink(page, 'https://talks.test', { roomID: 'WXYZ' })).toBe(
      'https://talks.test/r/WXYZ',
    );
  });

  it('round-trips through readUrlParams', () => {
    const link = roomLink('https://example.org/page/?serverURL=http://other:1&debug=true#x', null, {
      roomID: 'WXYZ',
      role: 'speaker',
      lang: 'deu',
    });
    const params = readUrlParams(new URL(link).search);
    expect(params).toMatchObject({
      roomID: 'WXYZ',
      role: 'speaker',
      lang: 'deu',
      autoJoin: false,
      debug: false,
      serverURL: 'http://other:1',
    });
  });

  it('opens the overlay without a role', () => {
    const link = roomLink('https://example.org/', null, { roomID: 'WXYZ', view: 'overlay' });
    expect(readUrlParams(new URL(link).search)).toMatchObject({ view: 'overlay', roomID: 'WXYZ' });
  });
});
