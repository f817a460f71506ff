/** What people do on the page, in its own words. */
import type { Locator, Page } from '@playwright/test';
import { expect } from './fixtures';

export async function roomCode(page: Page): Promise<string> {
  const code = page.getByTestId('room-code');
  await expect(code).toHaveText(/^[A-Z0-9]{4,}$/);
  return code.innerText();
}

/** Opens or joins a room as a speaker, whose stream does not run yet. */
export async function becomeSpeaker(page: Page): Promise<string> {
  await page.getByRole('button', { name: /^Speak( in this room)?$/ }).click();
  return roomCode(page);
}

/** Goes live and waits until the stream runs; gives the room's code. */
export async function speak(page: Page): Promise<string> {
  const code = await becomeSpeaker(page);
  await page.getByRole('button', { name: 'Go live' }).click();
  await expect(page.getByTestId('live')).toContainText(/Live \d\d:\d\d|Live/);
  return code;
}

export const isLive = (page: Page) => expect(page.getByTestId('vad-state')).toBeVisible();

export const captions = (page: Page): Locator => page.getByRole('log').first();

/** The captions' sentences in one language. */
export const lines = (page: Page, lang: string): Locator =>
  captions(page).locator(`p[data-lang="${lang}"] .line-text`);

export async function wordsOf(page: Page, lang: string): Promise<string> {
  return (await lines(page, lang).allTextContents()).join(' ').trim();
}

/** Waits until something is written in a language. */
export async function reads(page: Page, lang: string): Promise<void> {
  await expect(lines(page, lang).first()).toHaveText(/\S/, { timeout: 30_000 });
}

export const listenerLink = (room: string, lang: string): string =>
  `?roomID=${room}&autoJoin=true&role=listener&lang=${lang}`;
