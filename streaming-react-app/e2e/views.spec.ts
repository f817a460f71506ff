/** Every way to look at a room, on every kind of screen, and all of it accessible. */
import { join } from 'node:path';
import { expect, test } from './support/fixtures';
import { APP } from './support/paths';
import { captions, listenerLink, reads, roomCode, speak } from './support/people';

const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };

test('start: one click to listen, and axe finds nothing in any look', async ({
  visit,
  accessible,
}) => {
  const page = await visit();
  await expect(page.getByText('This server runs tiny')).toBeVisible();
  await accessible(page);
  for (const [scheme, contrast] of [
    ['dark', 'no-preference'],
    ['light', 'more'],
  ] as const) {
    await page.emulateMedia({ colorScheme: scheme, contrast });
    await accessible(page);
  }
  await page.getByRole('button', { name: 'Listen' }).click();
  await roomCode(page);
  await expect(captions(page)).toContainText('Nobody speaks in this room yet');
  await accessible(page);
});

test('a phone of 360 px shows everything without scrolling sideways', async ({
  visit,
  accessible,
}) => {
  const page = await visit('', PHONE);
  const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
  expect(await fits()).toBe(true);
  await accessible(page);
  const room = await speak(page);
  expect(await fits()).toBe(true);
  await accessible(page);
  const listener = await visit(listenerLink(room, 'arb'), PHONE);
  await reads(listener, 'arb');
  const bar = await listener.getByRole('complementary').boundingBox();
  expect(bar?.height).toBeLessThanOrEqual(0.15 * PHONE.viewport.height);
  const arabic = captions(listener).locator('[lang="ar"]').first();
  await expect(arabic).toHaveAttribute('dir', 'rtl');
  await accessible(listener);
});

test('a 4K projector: captions for the last row, controls that can be hit', async ({
  visit,
  accessible,
}) => {
  const screen = { viewport: { width: 3840, height: 2160 } };
  const speaker = await visit('', screen);
  const room = await speak(speaker);
  const listener = await visit(listenerLink(room, 'deu'), screen);
  await reads(listener, 'deu');
  const size = await captions(listener)
    .locator('.line-text')
    .first()
    .evaluate((line) => parseFloat(getComputedStyle(line).fontSize));
  expect(size).toBeGreaterThanOrEqual(60);
  for (const page of [speaker, listener]) {
    expect(
      await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth),
    ).toBe(true);
    const buttons = await page.getByRole('button').all();
    for (const button of buttons) {
      if (!(await button.isVisible())) continue;
      expect((await button.boundingBox())?.height).toBeGreaterThanOrEqual(32);
    }
    await accessible(page);
  }
});

test('overlay and presenter', async ({ visit, accessible }) => {
  const speaker = await visit();
  const room = await speak(speaker);

  const overlay = await visit(
    `?view=overlay&roomID=${room}&lang=fra&lines=3&size=50&position=top&color=ffee00&background=000000`,
  );
  const presenter = await visit(`?view=presenter&roomID=${room}&lang=deu`);

  await test.step('the overlay shows captions alone, as its address says', async () => {
    const text = overlay.getByTestId('overlay').locator('p').first();
    await expect(text).toHaveText(/\S/, { timeout: 30_000 });
    const look = await text.evaluate((element) => {
      const style = getComputedStyle(element);
      const frame = element.closest('.overlay-window');
      return {
        size: style.fontSize,
        color: style.color,
        page: getComputedStyle(document.body).backgroundColor,
        lines: (frame?.getBoundingClientRect().height ?? 0) / Number.parseFloat(style.lineHeight),
        top: frame?.getBoundingClientRect().top,
      };
    });
    expect(look).toMatchObject({
      size: '50px',
      color: 'rgb(255, 238, 0)',
      page: 'rgba(0, 0, 0, 0)',
    });
    expect(look.lines).toBeLessThanOrEqual(3.01);
    expect(look.top).toBeLessThan(100);
    await expect(overlay.getByRole('button')).toHaveCount(0);
    await accessible(overlay);
  });

  await test.step('the presenter shows what was heard beside what it means', async () => {
    const row = captions(presenter)
      .locator('[data-lang="deu"]')
      .filter({ has: presenter.locator('.line-heard[lang="en"]') })
      .first();
    await expect(row).toBeVisible({ timeout: 30_000 });
    const [heard, meant] = await Promise.all([
      row.locator('.line-heard').boundingBox(),
      row.locator('.line-text').boundingBox(),
    ]);
    expect(heard?.y).toBeCloseTo(meant?.y ?? NaN, -1);
    expect((heard?.x ?? 0) + (heard?.width ?? 0)).toBeLessThanOrEqual(meant?.x ?? 0);
    await expect(presenter.getByRole('img', { name: 'QR code of the link' })).toBeVisible();
    await accessible(presenter);
    // Nobody touches it: the controls go, and come back with the mouse.
    await expect(presenter.locator('.presenter')).toHaveClass(/idle/, { timeout: 15_000 });
    await presenter.mouse.move(200, 200);
    await expect(presenter.locator('.presenter')).not.toHaveClass(/idle/);
  });
});

test('dialogs, invitation and debug panel', async ({ visit, accessible }) => {
  const page = await visit('?debug=true');
  await page.getByRole('button', { name: 'Listen' }).click();
  const room = await roomCode(page);

  await test.step('debug panel: charts, messages with a filter, the server', async () => {
    const panel = page.getByRole('region', { name: 'Debug' });
    await expect(panel.getByRole('figure', { name: 'Latency' }).locator('canvas')).toBeVisible();
    const rows = panel.getByRole('row');
    await expect(rows.filter({ hasText: 'join_room' }).first()).toBeVisible();
    await panel.getByLabel('Filter').fill('server_id');
    await expect(rows).toHaveCount(1);
    await expect(panel.getByRole('figure', { name: 'Timeline' })).toBeVisible();
    await panel.getByText('Server state').click();
    await expect(panel.getByText('totalActiveConnections')).toBeVisible();
    await accessible(page);
    await page.getByRole('button', { name: 'Close the debug panel' }).click();
  });

  await test.step('the invitation leads into the room', async () => {
    await page.getByRole('button', { name: 'Invite' }).click();
    await expect(page.getByRole('img', { name: 'QR code of the link' })).toBeVisible();
    await accessible(page);
    const link = await page.getByLabel('Link', { exact: true }).inputValue();
    expect(new URL(link).pathname).toBe(`/r/${room}`);
    const guest = await visit(link);
    await accessible(guest);
    await guest.getByRole('button', { name: 'Join' }).click();
    expect(await roomCode(guest)).toBe(room);
    await page.getByRole('button', { name: 'Close' }).click();
  });

  await test.step('display: theme, size, language of the page', async () => {
    await page.getByRole('button', { name: 'Display settings' }).click();
    await accessible(page);
    await page.getByRole('button', { name: 'High contrast' }).click();
    await expect(page.locator('html')).toHaveCSS('background-color', 'rgb(0, 0, 0)');
    await page.getByRole('slider', { name: 'Caption size' }).fill('60');
    await page.getByRole('combobox', { name: 'Language of this page' }).selectOption('de');
    await expect(page.getByRole('heading', { name: 'Anzeige' })).toBeVisible();
    await expect(page.locator('html')).toHaveAttribute('lang', 'de');
    await page.getByRole('button', { name: 'Schließen' }).click();
    await expect(captions(page).locator('.captions-column')).toHaveCSS('font-size', '60px');
    await accessible(page);
    await page.reload();
    await expect(page.getByRole('button', { name: 'Beitreten' })).toBeVisible();
  });
});

test("a listener reads the browser's language, and changes it without losing a sentence", async ({
  visit,
}) => {
  const speaker = await visit();
  const room = await speak(speaker);
  const listener = await visit(`r/${room}`, { locale: 'fr-FR' });
  await listener.getByRole('button', { name: 'Rejoindre' }).click();
  await reads(listener, 'fra');
  // Spanish is what the speaker chose: it is in the transcript from the first sentence on.
  await listener.getByRole('button', { name: 'Traduire vers' }).click();
  await listener.getByRole('combobox').fill('espagnol');
  await listener.keyboard.press('Enter');
  await reads(listener, 'spa');
  await expect(captions(listener).locator('[data-lang="fra"]')).toHaveCount(0);
});

test('captions in AR glasses: by a button, loaded only then', async ({ visit }) => {
  const speaker = await visit();
  const room = await speak(speaker);
  // Without such a browser there is no button, and nothing is loaded for it.
  await expect(speaker.getByRole('button', { name: 'Captions in your glasses' })).toHaveCount(0);
  const page = await visit('about:blank');
  await page.addInitScript({ path: join(APP, 'node_modules/iwer/build/iwer.min.js') });
  await page.addInitScript(() => {
    const { XRDevice, metaQuest3 } = (window as unknown as Emulator).IWER;
    new XRDevice(metaQuest3).installRuntime({ forceInstall: true });
  });
  const scripts: string[] = [];
  page.on('request', (request) => scripts.push(request.url()));
  await page.goto(new URL(listenerLink(room, 'arb'), speaker.url()).toString());
  await reads(page, 'arb');
  expect(scripts.filter((url) => url.includes('Glasses'))).toEqual([]);
  await page.getByRole('button', { name: 'Captions in your glasses' }).click();
  const glasses = page.getByTestId('glasses');
  await expect(glasses).toHaveAttribute('data-open', 'true', { timeout: 15_000 });
  await expect(glasses.locator('[lang="ar"]').first()).toHaveText(/\S/);
  await page.getByRole('button', { name: 'Leave the glasses view' }).click();
  await expect(glasses).toBeHidden();
});

interface Emulator {
  IWER: {
    XRDevice: new (device: unknown) => {
      installRuntime: (options: { forceInstall: boolean }) => void;
    };
    metaQuest3: unknown;
  };
}

test('a phone in German, 320 px wide, and on its side', async ({ visit, accessible }) => {
  for (const viewport of [
    { width: 320, height: 640 },
    { width: 740, height: 340 },
  ]) {
    const page = await visit('?ui=de', { ...PHONE, viewport });
    const fits = () =>
      page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
    expect(await fits()).toBe(true);
    await page.getByRole('button', { name: 'Sprechen' }).click();
    await roomCode(page);
    await page.getByRole('button', { name: 'Live gehen' }).click();
    await expect(page.getByRole('button', { name: 'Beenden' })).toBeVisible();
    expect(await fits()).toBe(true);
    await accessible(page);
  }
});

test('two people and one phone: each side has its microphone and reads its language', async ({
  visit,
  accessible,
}) => {
  const page = await visit('', PHONE);
  await page.getByRole('link', { name: 'Two people, one phone' }).click();
  const near = page.getByRole('region', { name: 'English' });
  const far = page.getByRole('region', { name: 'Español' });
  await near.getByRole('button', { name: 'Speak' }).click();
  await expect(far.locator('[data-lang="spa"] .line-text').first()).toHaveText(/\S/, {
    timeout: 30_000,
  });
  await expect(near.locator('[data-lang="eng"] .line-text').first()).toHaveText(/\S/, {
    timeout: 30_000,
  });
  await accessible(page);
  // The other one answers: the direction turns.
  await far.getByRole('button', { name: 'Speak' }).click();
  await expect(near.getByRole('button', { name: 'Speak' })).toBeVisible();
  const before = await near.locator('.line-text').count();
  await expect
    .poll(() => near.locator('.line-text').count(), { timeout: 40_000 })
    .toBeGreaterThan(before);
  await far.getByRole('button', { name: 'Done' }).click();
  await expect(far.getByRole('button', { name: 'Speak' })).toBeVisible();
});

test('a page that reads from right to left', async ({ visit, accessible }) => {
  const page = await visit('?ui=ar', { ...PHONE, viewport: { width: 390, height: 740 } });
  await expect(page.locator('html')).toHaveAttribute('dir', 'rtl');
  await page.locator('.door-listener').click();
  await roomCode(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(
    true,
  );
  // What comes first is on the right: the language before the sound.
  const [language, sound] = await Promise.all([
    page.locator('.listen-row .pick').boundingBox(),
    page.locator('.listen-row > .button').boundingBox(),
  ]);
  expect(language?.x).toBeGreaterThan(sound?.x ?? Infinity);
  await accessible(page);
});
