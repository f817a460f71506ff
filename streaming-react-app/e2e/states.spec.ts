/** What people see when something is not as it should be, and what happens to their stream. */
import { io } from 'socket.io-client';
import { chromium } from '@playwright/test';
import type { Page } from '@playwright/test';
import { expect, test } from './support/fixtures';
import { Network } from './support/network';
import { BROWSER_FLAGS, CHROMIUM, MICROPHONE, SILENCE, fakeMicrophone } from './support/paths';
import {
  becomeSpeaker,
  captions,
  lines,
  listenerLink,
  reads,
  roomCode,
  speak,
  wordsOf,
} from './support/people';
import { Server } from './support/server';

test('the server restarts in the middle of a sentence: everything goes on', async ({ visit }) => {
  const server = await Server.start();
  try {
    const speaker = await visit(server.url);
    const room = await speak(speaker);
    const listener = await visit(server.url + listenerLink(room, 'deu'));
    await reads(listener, 'deu');

    await server.stop('SIGKILL');
    await expect(speaker.getByTestId('reconnecting')).toContainText('Keep speaking');
    await expect(listener.getByTestId('reconnecting')).toContainText('comes when you are back');
    const before = await lines(listener, 'deu').count();

    const again = await Server.start({ port: server.port });
    try {
      await expect(speaker.getByTestId('reconnecting')).toBeHidden({ timeout: 20_000 });
      await expect(listener.getByTestId('reconnecting')).toBeHidden({ timeout: 20_000 });
      expect(await roomCode(speaker)).toBe(room);
      // What was read stays, and new sentences come without a click by anybody.
      await expect
        .poll(() => lines(listener, 'deu').count(), { timeout: 40_000 })
        .toBeGreaterThan(before);
      await expect(speaker.getByTestId('listeners')).toContainText('Deutsch 1');
    } finally {
      await again.stop();
    }
  } finally {
    await server.stop();
  }
});

test('the network drops for a moment: the same stream goes on', async ({ visit, server }) => {
  const network = await Network.to(server.port);
  try {
    const speaker = await visit(`${network.url}?debug=true`);
    await speak(speaker);
    await reads(speaker, 'spa');
    network.drop();
    await expect(speaker.getByTestId('reconnecting')).toContainText('Keep speaking');
    // Long enough to hold audio back, short enough to lose none of it.
    await expect(speaker.getByText('wait here for the connection')).toBeVisible();
    network.mend();
    await expect(speaker.getByTestId('reconnecting')).toBeHidden({ timeout: 20_000 });
    await expect(speaker.getByText('wait here for the connection')).toBeHidden();
    const words = await wordsOf(speaker, 'spa');
    await expect.poll(() => wordsOf(speaker, 'spa'), { timeout: 30_000 }).not.toBe(words);
    await expect(speaker.getByText('of sound were lost')).toBeHidden();
    // No second stream was asked for.
    await speaker.getByLabel('Filter').fill('configure_stream (answer)');
    const rows = speaker.getByRole('region', { name: 'Events' }).getByRole('row');
    await expect(rows).toHaveCount(1);
  } finally {
    network.close();
  }
});

test('a server that loads, is full, is locked: each is said, and one gets in by oneself', async ({
  visit,
  startServer,
}) => {
  const server = await startServer({ ready: false, args: ['--max-speakers', '1'] });
  const first = await visit(server.url);
  await expect(first.getByTestId('loading')).toContainText('The translation model is loading');
  await expect(first.getByText('This server runs tiny')).toBeVisible({ timeout: 60_000 });
  await expect(first.getByTestId('loading')).toBeHidden();
  await speak(first);
  const second = await visit(server.url);
  await becomeSpeaker(second);
  await second.getByRole('button', { name: 'Go live' }).click();
  await expect(second.getByText('in use. You start by yourself')).toBeVisible();
  await first.getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(second.getByTestId('vad-state')).toBeVisible({ timeout: 45_000 });
  await second.getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(second.getByRole('button', { name: 'Go live' })).toBeVisible({
    timeout: 45_000,
  });

  const holder = await visit(`${server.url}?enableServerLock=true`);
  await holder.getByLabel('Your name').fill('Ann');
  await speak(holder);
  await expect(holder.getByText("You hold the server's lock")).toBeVisible();
  await expect(second.getByText('The server is locked by Ann')).toBeVisible();
});

async function withBrowser(flags: string[], act: (page: Page) => Promise<void>): Promise<void> {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [...BROWSER_FLAGS, ...flags],
  });
  try {
    await act(await browser.newPage({ locale: 'en-GB' }));
  } finally {
    await browser.close();
  }
}

test('a microphone that is not allowed: said, with its cure', async ({ server }) => {
  const flags = ['--use-fake-device-for-media-stream', '--deny-permission-prompts'];
  await withBrowser(flags, async (page) => {
    await page.goto(server.url);
    await becomeSpeaker(page);
    await page.getByRole('button', { name: 'Go live' }).click();
    const alert = page.locator('[data-problem]');
    await expect(alert).toHaveAttribute('data-problem', /^permission-(denied|blocked)$/);
    await expect(alert).toContainText('icon beside the address');
    await alert.getByRole('button', { name: 'Close' }).click();
    await expect(alert).toBeHidden();
    await expect(page.getByRole('button', { name: 'Go live' })).toBeEnabled();
  });
});

test('no microphone at all', async ({ server }) => {
  await withBrowser(['--use-fake-ui-for-media-stream'], async (page) => {
    await page.goto(server.url);
    await becomeSpeaker(page);
    await expect(page.locator('[data-problem="no-device"]')).toContainText('Plug one in');
  });
});

test('a microphone whose switch is off', async ({ server }) => {
  await withBrowser(fakeMicrophone(SILENCE), async (page) => {
    await page.goto(server.url);
    await becomeSpeaker(page);
    await page.getByRole('button', { name: 'Go live' }).click();
    await expect(page.locator('[data-problem="device-muted"]')).toContainText('mute switch');
  });
});

test('a page without https on a LAN address', async ({ startServer }) => {
  const server = await startServer({ env: { SEAMLESS_ALLOWED_HOSTS: 'office.test' } });
  // The name leads to this machine, but the browser sees an origin that is not secure.
  const flags = [...fakeMicrophone(MICROPHONE), '--host-resolver-rules=MAP office.test 127.0.0.1'];
  await withBrowser(flags, async (page) => {
    await page.goto(`http://office.test:${String(server.port)}/`);
    await becomeSpeaker(page);
    await expect(page.locator('[data-problem="insecure-origin"]')).toContainText('https');
    // The rest of the page works: a room is there, and listening is possible.
    await roomCode(page);
    await expect(captions(page)).toBeVisible();
  });
});

test('a room that nobody has opened says so; who wants to, opens it', async ({ visit }) => {
  const page = await visit('r/QQQQ');
  await page.getByRole('button', { name: 'Join' }).click();
  await expect(page.getByRole('alert')).toContainText('There is no room QQQQ here');
  await page.getByRole('button', { name: 'Open room QQQQ' }).click();
  expect(await roomCode(page)).toBe('QQQQ');
  const guest = await visit('r/QQQQ');
  await guest.getByRole('button', { name: 'Join' }).click();
  expect(await roomCode(guest)).toBe('QQQQ');
});

test('a host sets a passcode, mutes, sends away and ends the room', async ({
  visit,
  accessible,
}) => {
  const host = await visit();
  const room = await becomeSpeaker(host);
  await host.getByRole('button', { name: 'Host controls' }).click();
  await host.getByLabel('Passcode').fill('open sesame');
  await host.getByRole('button', { name: 'Set', exact: true }).click();
  await expect(host.getByText('This room has a passcode')).toBeVisible();

  const guest = await visit(`r/${room}`);
  await expect(guest.getByRole('button', { name: 'Host controls' })).toHaveCount(0);
  await guest.getByLabel('Your name').fill('Gil');
  await guest.getByRole('button', { name: 'Speak in this room' }).click();
  await guest.getByLabel('Passcode of this room').fill('open sesame');
  await guest.getByRole('button', { name: 'Continue' }).click();
  expect(await roomCode(guest)).toBe(room);

  await host.getByRole('switch', { name: 'No more speakers' }).click();
  await host.getByRole('button', { name: 'Mute Gil' }).click();
  await expect(guest.getByText('The host muted you')).toBeVisible();
  await expect(guest.getByRole('button', { name: 'Go live' })).toHaveCount(0);
  await accessible(host);
  await host.getByRole('button', { name: 'Send Gil out' }).click();
  await expect(guest.getByText('The host sent you out of the room.')).toBeVisible();

  await host.getByRole('button', { name: 'End the room …' }).click();
  await host.getByRole('button', { name: 'End the room', exact: true }).click();
  await expect(host.getByRole('button', { name: 'Listen' })).toBeVisible();
});

test('a crowd comes page by page, and each of it can be sent out', async ({
  visit,
  server,
  accessible,
}) => {
  const host = await visit();
  const room = await becomeSpeaker(host);
  const crowd = await Promise.all(
    Array.from({ length: 130 }, async (_, i) => {
      const clientID = `crowd-${String(i)}`;
      const socket = io(server.url, {
        path: '/ws/socket.io',
        transports: ['websocket'],
        query: { clientID, protocol: 2 },
      });
      await socket.emitWithAck('set_name', `Guest ${String(i)}`);
      const wish = { roles: ['listener'], lockServerName: null };
      await socket.emitWithAck('join_room', clientID, room, wish);
      return socket;
    }),
  );
  await host.getByRole('button', { name: 'Host controls' }).click();
  const people = host.locator('.people li');
  const shown = host.getByTestId('people-shown');
  await expect(shown).toContainText('131');
  // The first page is the host and those who came first; the host itself is not listed.
  await expect(people).toHaveCount(99);
  await accessible(host);
  await host.getByRole('button', { name: 'Show more people' }).click();
  await expect(people).toHaveCount(130);
  await expect(shown).toBeHidden();
  expect(new Set(await people.locator('bdi').allTextContents()).size).toBe(130);
  const last = await people.last().locator('bdi').innerText();
  const told = new Promise((resolve) =>
    crowd[Number(last.split(' ')[1])]?.on('server_exception', resolve),
  );
  await host.getByRole('button', { name: `Send ${last} out` }).click();
  expect(await told).toMatchObject({ code: 'removed' });
  await expect(people).toHaveCount(129);
  for (const socket of crowd) socket.disconnect();
});

test('a server with a secret asks for it, and keeps it out of the address', async ({
  visit,
  startServer,
}) => {
  const server = await startServer({
    env: {
      SEAMLESS_AUTH_SECRET: 'a-secret-of-the-hall',
      SEAMLESS_AUTH_FOR: 'speaker,listener',
    },
  });
  const page = await visit(server.url);
  await page.getByRole('button', { name: 'Speak' }).click();
  await page.getByLabel('Access code of this server').fill('a-secret-of-the-hall');
  await page.getByRole('button', { name: 'Continue' }).click();
  await becomeSpeaker(page);
  expect(page.url()).not.toContain('a-secret');

  // Its invitation lets people listen without the secret, and do nothing else.
  await page.getByRole('button', { name: 'Invite' }).click();
  const field = page.getByLabel('Link', { exact: true });
  await expect(field).toHaveValue(/#token=/);
  const link = await field.inputValue();
  expect(link).not.toContain('a-secret');
  const guest = await visit(link);
  await guest.getByRole('button', { name: 'Join' }).click();
  await roomCode(guest);
  expect(guest.url()).not.toContain('token');
  await guest.getByRole('button', { name: 'Sound and more' }).click();
  await guest.getByRole('button', { name: 'Speak, too' }).click();
  await expect(guest.getByRole('button', { name: 'Go live' })).toHaveCount(0);
});

test('a mistyped address is said on a page of its own', async ({ visit, accessible }) => {
  const page = await visit('rooom/ABCD');
  await expect(page.getByRole('heading', { name: 'There is nothing here' })).toBeVisible();
  await accessible(page);
  await page.getByRole('link', { name: 'To the start page' }).click();
  await expect(page.getByRole('button', { name: 'Listen' })).toBeVisible();
});
