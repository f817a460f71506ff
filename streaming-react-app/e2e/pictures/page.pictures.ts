/** The pictures that README and docs show. */
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { test } from '../support/fixtures';
import { PICTURES } from '../support/paths';
import { listenerLink, reads, speak } from '../support/people';
import { model } from './talk';

const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true };
const LAPTOP = { viewport: { width: 1366, height: 768 } };
const PROJECTOR = { viewport: { width: 1920, height: 1080 } };
/** Time for a few sentences. */
const TALK_MS = 25_000;

const picture = (page: Page, name: string) =>
  page.screenshot({ path: join(PICTURES, `${name}.png`), animations: 'disabled' });

test('a talk', async ({ visit, startServer }) => {
  const server = await startServer({ model });
  const home = await visit(server.url, LAPTOP);
  await home.getByText('This server runs').waitFor();
  await picture(home, 'start');

  const speaker = await visit(server.url, LAPTOP);
  const room = await speak(speaker);
  const open = (query: string, options = {}) => visit(server.url + query, options);
  const dark = await open(listenerLink(room, 'deu'), { ...LAPTOP, colorScheme: 'dark' });
  const phone = await open(listenerLink(room, 'fra'), PHONE);
  const presenter = await open(`?view=presenter&roomID=${room}&lang=spa`, PROJECTOR);
  const overlay = await open(`?view=overlay&roomID=${room}&lang=spa&lines=2&background=0b5563e6`, {
    viewport: { width: 1280, height: 720 },
  });
  await reads(dark, 'deu');
  await speaker.waitForTimeout(TALK_MS);

  await picture(speaker, 'speaker');
  await picture(dark, 'listener-dark');
  await picture(phone, 'listener-phone');
  await picture(presenter, 'presenter');
  await picture(overlay, 'overlay');
  await speaker.getByRole('button', { name: 'Invite' }).click();
  await speaker.getByRole('img', { name: 'QR code of the link' }).waitFor();
  await picture(speaker, 'invite');
  await speaker.getByRole('button', { name: 'Close' }).click();
  await speaker.setViewportSize({ width: 1600, height: 900 });
  await speaker.getByRole('button', { name: 'Debug panel' }).click();
  await speaker.waitForTimeout(2000);
  await picture(speaker, 'debug');
  await speaker.getByRole('button', { name: 'Close the debug panel' }).click();
  await speaker.setViewportSize(LAPTOP.viewport);
  await speaker.getByRole('button', { name: 'Host controls' }).click();
  await speaker.getByText('In this room').waitFor();
  await picture(speaker, 'host');
  await speaker.getByRole('button', { name: 'Close' }).click();
  await speaker.getByRole('button', { name: 'Stop', exact: true }).click();

  const talk = await open('?view=conversation', PHONE);
  await talk.locator('.half-near .talk').click();
  await talk.locator('.half-far .line-text').nth(1).waitFor();
  await picture(talk, 'conversation');
  const narrow = { ...PHONE, viewport: { width: 320, height: 640 } };
  const arabic = await open('?ui=ar', narrow);
  await arabic.locator('.home-model').waitFor();
  await picture(arabic, 'start-arabic');
  const german = await open(`r/${room}?ui=de`, { ...narrow, colorScheme: 'dark' });
  await german.locator('.card').waitFor();
  await picture(german, 'join-german');
});
