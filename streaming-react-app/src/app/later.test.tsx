import { act, cleanup, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { setUiLanguage } from '../i18n';
import { later } from './later';

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });

const Part = ({ word }: { word: string }) => <p>{word}</p>;
const answers = vi.fn<() => Promise<{ status: number }>>();
const reload = vi.fn();

/** Gives the code of a part as often as it is asked, or what went wrong. */
function loads(...results: ('gone' | 'there')[]) {
  return vi.fn(() => {
    const result = results.shift() ?? 'gone';
    return result === 'there'
      ? Promise.resolve({ default: Part })
      : Promise.reject(new Error('no such file'));
  });
}

const passing = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

beforeEach(async () => {
  await setUiLanguage('en');
  vi.useFakeTimers();
  vi.stubGlobal('fetch', answers);
  vi.stubGlobal('location', { ...window.location, reload });
  sessionStorage.clear();
  reload.mockClear();
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it('draws a part when its code is there', async () => {
  const Later = later(loads('there'));
  render(<Later word="hello" />);
  await passing(0);
  expect(screen.getByText('hello')).toBeTruthy();
});

it('says that the server is away, and goes on by itself when it is back', async () => {
  answers.mockRejectedValueOnce(new TypeError('no network'));
  const Later = later(loads('gone', 'there'), { view: true });
  render(<Later word="hello" />);
  await passing(0);
  expect(screen.getByRole('alert').textContent).toContain('The server cannot be reached');
  expect(screen.queryByRole('button')).toBeNull();
  await passing(3000);
  expect(screen.getByText('hello')).toBeTruthy();
  expect(screen.queryByRole('alert')).toBeNull();
  expect(reload).not.toHaveBeenCalled();
});

it('asks for a reload where the server has a newer page, and does it only where nothing is lost', async () => {
  answers.mockResolvedValue({ status: 200 });
  const Dialog = later(loads());
  render(<Dialog word="hello" />);
  await passing(0);
  expect(screen.queryByRole('alert')).toBeNull(); // the server may have come back that moment
  await passing(3000);
  expect(screen.getByRole('alert').textContent).toContain('newer page');
  expect(reload).not.toHaveBeenCalled();
  screen.getByRole('button', { name: 'Reload the page' }).click();
  expect(reload).toHaveBeenCalledTimes(1);
  cleanup();

  const View = later(loads(), { view: true });
  render(<View word="hello" />);
  await passing(20_000);
  expect(reload).toHaveBeenCalledTimes(2); // once, not over and over
});
