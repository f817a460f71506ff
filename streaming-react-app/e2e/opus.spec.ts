/** Speech as Opus: what the browser decodes is what listeners without it get as samples. */
import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import { expect, test } from './support/fixtures';
import { becomeSpeaker, listenerLink } from './support/people';

/** Bytes of speech that come to a page, in binary messages. */
function traffic(page: Page): { bytes: number; encodings: Set<string> } {
  const seen = { bytes: 0, encodings: new Set<string>() };
  page.on('websocket', (socket) =>
    socket.on('framereceived', ({ payload }) => {
      if (typeof payload !== 'string') seen.bytes += payload.length;
      else if (payload.includes('"translation_speech"')) {
        seen.encodings.add(/"encoding":"(\w+)"/.exec(payload)?.[1] ?? '');
      }
    }),
  );
  return seen;
}

async function savedSpeech(page: Page): Promise<Int16Array> {
  await page.getByRole('button', { name: 'Save the transcript' }).click();
  const download = page.waitForEvent('download');
  await page.getByRole('menuitem', { name: 'Translated speech (WAV)' }).click();
  const wav = await readFile(await (await download).path());
  return new Int16Array(wav.buffer.slice(wav.byteOffset + 44, wav.byteOffset + wav.length));
}

function likeness(one: Int16Array, other: Int16Array, late: number): number {
  let [product, first, second] = [0, 0, 0];
  for (let i = 400; i < one.length - 400; i += 1) {
    const [x, y] = [one[i] ?? 0, other[i + late] ?? 0];
    product += x * y;
    first += x * x;
    second += y * y;
  }
  return product / Math.sqrt(first * second);
}

test('a browser that can decode Opus gets it: the same speech, sample by sample in its place', async ({
  visit,
}) => {
  const speaker = await visit();
  const room = await becomeSpeaker(speaker);
  const listeners = await Promise.all(
    [true, false].map(async (decodes) => {
      const page = await visit('about:blank');
      const seen = traffic(page);
      if (!decodes) await page.addInitScript('delete window.AudioDecoder');
      await page.goto(new URL(listenerLink(room, 'deu'), speaker.url()).toString());
      await page.getByRole('button', { name: 'Turn the sound on' }).click();
      return { page, seen };
    }),
  );
  await speaker.getByRole('button', { name: 'Go live' }).click();
  await expect(speaker.getByTestId('vad-state')).toHaveText('Speech', { timeout: 20_000 });
  await speaker.waitForTimeout(8000);
  await speaker.getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(speaker.getByRole('button', { name: 'Go live' })).toBeVisible({ timeout: 40_000 });
  const [opus, plain] = listeners;
  if (!opus || !plain) throw new Error('there are two');
  expect([...opus.seen.encodings]).toEqual(['opus']);
  expect([...plain.seen.encodings]).toEqual(['pcm16']);
  expect(plain.seen.bytes).toBeGreaterThan(8 * opus.seen.bytes);
  const [decoded, sent] = [await savedSpeech(opus.page), await savedSpeech(plain.page)];
  expect(decoded.length).toBe(sent.length);
  const at = likeness(sent, decoded, 0);
  expect(at).toBeGreaterThan(0.2);
  for (const late of [-320, -104, -20, 20, 104, 320]) {
    expect(likeness(sent, decoded, late)).toBeLessThan(at);
  }
});
