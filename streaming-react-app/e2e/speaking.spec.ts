/** The speaker's own controls. */
import { readFileSync } from 'node:fs';
import { chromium } from '@playwright/test';
import { expect, test } from './support/fixtures';
import {
  becomeSpeaker,
  isLive,
  lines,
  listenerLink,
  reads,
  roomCode,
  speak,
  wordsOf,
} from './support/people';
import { BROWSER_FLAGS, CHROMIUM, MICROPHONE, RECORDINGS } from './support/paths';
import { heardSamples, tapLoudspeaker } from './support/loudspeaker';

test('mute and pause stop the audio, and the echo guard holds the loudspeaker', async ({
  visit,
}) => {
  const page = await visit('about:blank');
  await tapLoudspeaker(page);
  await page.goto((await visit()).url());
  await speak(page);
  await reads(page, 'spa');

  await test.step('muted: what was said is finished, then nothing more comes', async () => {
    await page.getByRole('button', { name: 'Mute' }).click();
    await expect(page.getByTestId('vad-state')).toHaveText('Muted');
    await expect(page.locator('.line.open')).toHaveCount(0, { timeout: 30_000 });
    const quiet = await wordsOf(page, 'spa');
    // A whole round of the microphone's recording passes unheard.
    await page.waitForTimeout(5500);
    expect(await wordsOf(page, 'spa')).toBe(quiet);
    await page.getByRole('button', { name: 'Unmute' }).click();
    await expect.poll(() => wordsOf(page, 'spa'), { timeout: 30_000 }).not.toBe(quiet);
  });

  await test.step('paused and resumed', async () => {
    await page.getByRole('button', { name: 'Pause' }).click();
    await expect(page.getByTestId('vad-state')).toHaveText('Paused');
    await page.getByRole('button', { name: 'Resume' }).click();
    await expect(page.getByTestId('vad-state')).toHaveText(/Speech|Silence/);
  });

  await test.step('speech is held back until headphones are confirmed', async () => {
    await page.getByRole('switch', { name: 'Speech' }).click();
    await expect(page.getByTestId('echo-guard')).toBeVisible();
    const before = await lines(page, 'spa').count();
    await expect
      .poll(() => lines(page, 'spa').count(), { timeout: 30_000 })
      .toBeGreaterThan(before);
    expect(await heardSamples(page)).toBe(0);
    await page.getByRole('button', { name: 'I wear headphones' }).click();
    await expect.poll(() => heardSamples(page), { timeout: 45_000 }).toBeGreaterThan(800);
  });
});

test('a file is played at the pace of real time, and its end ends the stream', async ({
  visit,
}) => {
  const page = await visit();
  await becomeSpeaker(page);
  await page.getByRole('button', { name: 'File' }).click();
  await expect(page.getByRole('button', { name: 'Play the file' })).toBeDisabled();
  await page.getByLabel('Choose a file').setInputFiles(`${RECORDINGS}/human_short.flac`);
  const from = Date.now();
  await page.getByRole('button', { name: 'Play the file' }).click();
  await expect(page.getByText('human_short.flac')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Play the file' })).toBeVisible({
    timeout: 40_000,
  });
  // The recording lasts 2.8 s: it cannot have been pushed through faster.
  expect(Date.now() - from).toBeGreaterThan(2700);
  await reads(page, 'spa');

  await page.getByLabel('Choose a file').setInputFiles({
    name: 'letter.wav',
    mimeType: 'audio/wav',
    buffer: Buffer.from('This is a letter, not a sound.'),
  });
  await page.getByRole('button', { name: 'Play the file' }).click();
  await expect(page.locator('[data-problem="not-audio"]')).toContainText('WAV, MP3');
});

test('by keyboard alone: join, choose a language by either name, speak, stop', async ({
  visit,
}) => {
  const page = await visit();
  await page.getByRole('button', { name: 'Speak' }).focus();
  await page.keyboard.press('Enter');
  await roomCode(page);
  await page.getByRole('button', { name: 'Go live' }).focus();
  await page.keyboard.press('Enter');
  await isLive(page);
  // The button that was pressed is gone; the focus is where one goes on.
  await expect(page.getByRole('button', { name: 'Mute' })).toBeFocused();
  await page.keyboard.press('m');
  await expect(page.getByTestId('vad-state')).toHaveText('Muted');
  await page.keyboard.press('m');
  await page.keyboard.press('?');
  await expect(page.getByRole('heading', { name: 'Keyboard' })).toBeVisible();
  await page.keyboard.press('Escape');

  const into = page.getByRole('button', { name: 'Translate into' });
  for (const [typed, chosen] of [
    ['germ', 'Deutsch'],
    ['itali', 'Italiano'],
    ['日本', '日本語'],
    ['franç', 'Français'],
  ] as const) {
    await into.focus();
    await page.keyboard.press('Enter');
    await expect(page.getByRole('combobox', { name: 'Search' })).toBeFocused();
    await page.keyboard.type(typed);
    await page.keyboard.press('Enter');
    await expect(into).toHaveText(new RegExp(chosen));
    await expect(into).toBeFocused();
  }
  await reads(page, 'fra');

  const push = page.getByRole('switch', { name: 'Push to talk' });
  const muted = page.getByTestId('vad-state').filter({ hasText: 'Muted' });
  await push.check();
  await expect(muted).toBeVisible();
  for (const release of [
    () => page.keyboard.up(' '),
    () => page.evaluate(() => window.dispatchEvent(new Event('blur'))),
  ]) {
    await page.getByRole('button', { name: /^(Mute|Unmute)$/ }).focus();
    await page.keyboard.down(' ');
    await expect(muted).toBeHidden();
    await release();
    await expect(muted).toBeVisible();
  }
  await page.keyboard.up(' ');

  const stop = page.getByRole('button', { name: 'Stop', exact: true });
  await stop.focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Go live' })).toBeVisible({
    timeout: 40_000,
  });
  await page.getByRole('button', { name: 'Go live' }).press('Enter');
  await expect(muted).toBeVisible();
  await push.uncheck();
  await expect(muted).toBeHidden();
  await stop.focus();
  await page.keyboard.press('Space');
  await expect(page.getByRole('button', { name: 'Go live' })).toBeVisible({
    timeout: 40_000,
  });
});

test('captions stay where the reader scrolled, and jump back to live', async ({ visit }) => {
  const page = await visit();
  // Tall letters fill a window soon.
  await page.evaluate(() =>
    localStorage.setItem('seamless.preferences', JSON.stringify({ captionSize: 110 })),
  );
  await page.reload();
  await speak(page);
  const log = page.getByRole('log');
  await expect
    .poll(() => log.evaluate((box) => box.scrollHeight - box.clientHeight), { timeout: 45_000 })
    .toBeGreaterThan(200);
  const fromEnd = () => log.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight);
  await expect.poll(fromEnd).toBeLessThan(2);
  // A window that changes is not a person who scrolls.
  await page.setViewportSize({ width: 1000, height: 500 });
  await expect.poll(fromEnd).toBeLessThan(2);
  await expect(page.getByRole('button', { name: 'Jump to live' })).toBeHidden();
  await log.hover();
  await page.mouse.wheel(0, -150);
  const jump = page.getByRole('button', { name: 'Jump to live' });
  await expect(jump).toBeVisible();
  const top = await log.evaluate((box) => box.scrollTop);
  const words = await wordsOf(page, 'spa');
  await expect.poll(() => wordsOf(page, 'spa'), { timeout: 30_000 }).not.toBe(words);
  expect(Math.abs((await log.evaluate((box) => box.scrollTop)) - top)).toBeLessThan(5);
  await jump.click();
  await expect(jump).toBeHidden();
  await expect.poll(fromEnd).toBeLessThan(64);
});

test('a debug recording is linked with its timeline', async ({ visit }) => {
  const page = await visit('?debug=true', { viewport: { width: 1400, height: 800 } });
  await speak(page);
  await expect(page.getByRole('switch', { name: 'Record streams' })).toBeChecked();
  await reads(page, 'spa');
  // The page's own view of it: when what came and went, and its sound with its gaps.
  const timeline = page.getByRole('figure', { name: 'Timeline' });
  for (const lane of ['sent', 'text', 'rendered']) {
    await expect(timeline.locator(`[data-lane="${lane}"]`)).not.toHaveAttribute('data-count', '0');
  }
  const saved = page.waitForEvent('download');
  await timeline.getByRole('button', { name: 'Input as WAV' }).click();
  const wav = readFileSync(await (await saved).path());
  expect(wav.subarray(0, 4).toString()).toBe('RIFF');
  expect(wav.length).toBeGreaterThan(44 + wav.readUInt32LE(24));
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  const link = page.getByRole('link', { name: 'Timeline' });
  await expect(link).toBeVisible({ timeout: 40_000 });
  const answer = await page.request.get((await link.getAttribute('href')) ?? '');
  expect(answer.ok()).toBe(true);
  expect(await answer.text()).toContain('<html');
  expect(await page.getByRole('link', { name: /\.wav$/ }).count()).toBeGreaterThan(0);
});

test('two speakers in one room are told apart by their names', async ({ visit }) => {
  const ann = await visit();
  await ann.getByLabel('Your name').fill('Ann');
  const room = await speak(ann);
  const ben = await visit();
  await ben.getByLabel('Room code').fill(room.toLowerCase());
  await ben.getByLabel('Your name').fill('Ben <b>');
  expect(await speak(ben)).toBe(room);
  const listener = await visit(listenerLink(room, 'deu'));
  const names = listener.locator('.line-name');
  await expect(names.filter({ hasText: 'Ann' }).first()).toBeVisible({ timeout: 30_000 });
  await expect(names.filter({ hasText: 'Ben <b>' }).first()).toBeVisible({ timeout: 30_000 });
});

test("another tab's sound is translated", async ({ server }) => {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    ignoreDefaultArgs: ['--mute-audio'],
    args: [
      ...BROWSER_FLAGS,
      '--auto-select-tab-capture-source-by-title=A talk',
      '--autoplay-policy=no-user-gesture-required',
    ],
  });
  try {
    const context = await browser.newContext({ locale: 'en-GB' });
    const talk = await context.newPage();
    await talk.goto(`${server.url}healthz`);
    const sound = readFileSync(MICROPHONE).toString('base64');
    await talk.setContent(
      `<title>A talk</title><audio autoplay loop src="data:audio/wav;base64,${sound}"></audio>`,
    );
    const page = await context.newPage();
    await page.goto(server.url);
    await becomeSpeaker(page);
    // This browser has no microphone: that is said, and another source is at hand.
    await expect(page.locator('[data-problem="no-device"]')).toBeVisible();
    await page.getByRole('button', { name: 'Browser tab' }).click();
    await page.getByRole('button', { name: 'Share a tab and go live' }).click();
    await reads(page, 'spa');
  } finally {
    await browser.close();
  }
});

test("the browser's own print command prints the captions and nothing else", async ({ visit }) => {
  const page = await visit('?lang=spa');
  await speak(page);
  await reads(page, 'spa');
  await page.emulateMedia({ media: 'print' });
  await expect(lines(page, 'spa').first()).toBeVisible();
  await expect(page.getByRole('banner')).toBeHidden();
  await expect(page.getByRole('button', { name: 'Stop', exact: true })).toBeHidden();
});
