/** Several models behind one page: who is chosen, what is said of it, and a voice where none speaks. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { expect, test } from './support/fixtures';
import { TMP } from './support/paths';
import { captions, listenerLink, reads, roomCode } from './support/people';

/** A model of the simplest kind, under the name of its folder. */
function model(name: string, lines: readonly string[]): string {
  const folder = join(TMP, name);
  mkdirSync(folder, { recursive: true });
  const all = ['agent_class: tests.evaluation.toy_agents.WordAgent', ...lines, ''];
  writeFileSync(join(folder, 'main.yaml'), all.join('\n'));
  return folder;
}

const PHRASEBOOK = ['source_langs: [eng]', 'target_langs: [eng, spa, deu]', 'demonstration: true'];
const CAPTIONS = ['source_langs: [eng, deu, jpn]', 'target_langs: [eng]', 'captions: true'];

interface Heard {
  said: string[];
  languages: string[];
  cancelled: number;
}

declare global {
  interface Window {
    device: Heard;
  }
}

/** A device with voices of which one never ends, so that what waits in line is seen to wait. */
async function spyOnDeviceVoice(page: Page): Promise<void> {
  await page.addInitScript(() => {
    window.device = { said: [], languages: [], cancelled: 0 };
    Object.defineProperty(window, 'speechSynthesis', {
      value: {
        getVoices: () => [{ lang: 'en-GB' }],
        speak: ({ text, lang }: SpeechSynthesisUtterance) => {
          window.device.said.push(text);
          window.device.languages.push(lang);
        },
        cancel: () => (window.device.cancelled += 1),
      },
    });
  });
}

test("a newcomer's own words appear; the phrasebook speaks; nobody is left without words", async ({
  visit,
  startServer,
  accessible,
}) => {
  test.setTimeout(240_000);
  const server = await startServer({
    model: model('Phrasebook', PHRASEBOOK),
    args: ['--model', model('Captions', CAPTIONS)],
  });
  const speaker = await visit(server.url);
  await expect(speaker.getByText('This server runs Phrasebook, Captions')).toBeVisible();
  await speaker.getByRole('button', { name: 'Speak' }).click();
  const room = await roomCode(speaker);

  await test.step('the model that can is chosen, and the picker says what each can do', async () => {
    await expect(speaker.getByRole('button', { name: 'Translate into: English' })).toBeVisible();
    const picker = speaker.getByLabel('Model', { exact: true });
    await expect(picker.locator('option:checked')).toHaveText('Automatic: Captions');
    const each = speaker.getByRole('listitem');
    const captionsModel = each.filter({ hasText: 'CaptionsChosen' });
    await expect(captionsModel).toContainText('Hears: English, Deutsch, 日本語');
    await expect(captionsModel).toContainText('Writes: the language spoken, English');
    await expect(captionsModel).toContainText('Speaks: nothing, text only');
    await expect(each.filter({ hasText: 'PhrasebookDemonstration' })).toContainText(
      'Writes: English, Español, Deutsch',
    );
    await accessible(speaker);
    await picker.selectOption('Phrasebook');
    await expect(speaker.getByTestId('demo')).toBeVisible();
    await picker.selectOption('');
    await expect(speaker.getByTestId('demo')).toHaveCount(0);
  });

  const listener = await visit('about:blank');
  await spyOnDeviceVoice(listener);
  await listener.goto(new URL(listenerLink(room, 'deu'), server.url).toString());
  await speaker.getByRole('button', { name: 'Go live' }).click();
  await expect(speaker.getByTestId('vad-state')).toBeVisible({ timeout: 60_000 });
  await reads(speaker, 'eng');
  await expect(speaker.getByTestId('model')).toHaveText('Captions');

  await test.step('who reads a language that is not written reads what the speaker chose', async () => {
    await expect(listener.getByTestId('follows')).toContainText('translated into Deutsch');
    await reads(listener, 'eng');
  });

  await test.step("the device's voice: off until it is wanted, said so, sentence by sentence", async () => {
    await listener.getByRole('button', { name: 'Turn the sound on' }).click();
    await expect(captions(listener).locator('.line:not(.open)').first()).toBeVisible({
      timeout: 60_000,
    });
    expect(await listener.evaluate(() => window.device.said)).toEqual([]);
    await listener.getByRole('button', { name: 'Sound and more' }).click();
    await listener.getByRole('switch', { name: "Let this device's own voice read it" }).click();
    await accessible(listener);
    await listener.keyboard.press('Escape');
    await expect(listener.getByTestId('device-voice')).toContainText(
      "English is read by this device's own voice",
    );
    const said = () => listener.evaluate(() => window.device.said);
    await expect.poll(async () => (await said()).length, { timeout: 60_000 }).toBeGreaterThan(1);
    const lines = await captions(listener).locator('.line:not(.open) .line-text').allTextContents();
    for (const sentence of await said()) expect(lines).toContain(sentence);
    expect(new Set(await listener.evaluate(() => window.device.languages))).toEqual(
      new Set(['en']),
    );
    await listener.getByRole('button', { name: 'Turn the sound off' }).click();
    await expect.poll(() => listener.evaluate(() => window.device.cancelled)).toBeGreaterThan(0);
  });

  await test.step('another language takes another model, in mid-stream', async () => {
    await speaker.getByRole('button', { name: /^Translate into/ }).click();
    await speaker.getByRole('option', { name: /Español/ }).click();
    await expect(speaker.getByTestId('model')).toHaveText('Phrasebook', { timeout: 60_000 });
    await reads(speaker, 'spa');
    await expect(listener.getByTestId('follows')).toHaveCount(0);
    await reads(listener, 'deu');
    await expect(listener.getByTestId('demo')).toBeVisible();
  });
});

test('a part that cannot be fetched says why, and comes when the server is back', async ({
  visit,
}) => {
  const page = await visit();
  await page.getByRole('button', { name: 'Listen' }).click();
  await roomCode(page);
  await page.route(/InviteDialog.*\.js|manifest\.webmanifest/, (route) => route.abort());
  await page.getByRole('button', { name: 'Invite' }).click();
  await expect(page.getByRole('alert')).toContainText('The server cannot be reached');
  await page.unroute(/InviteDialog.*\.js|manifest\.webmanifest/);
  await expect(page.getByRole('dialog')).toContainText('Scan the code', { timeout: 15_000 });
  await expect(page.getByText('The server cannot be reached')).toHaveCount(0);
});
