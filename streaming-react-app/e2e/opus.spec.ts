/** Speech as Opus: what the browser decodes is what listeners without it get as samples. */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import { expect, test } from './support/fixtures';
import { PYTHON, REPO } from './support/paths';
import { becomeSpeaker, listenerLink, speak } from './support/people';

interface Traffic {
  bytes: number;
  encodings: Set<string>;
  /** Events as they came, with their payload in base64. */
  pieces: Record<string, unknown>[];
}

function traffic(page: Page): Traffic {
  const seen: Traffic = { bytes: 0, encodings: new Set(), pieces: [] };
  page.on('websocket', (socket) =>
    socket.on('framereceived', ({ payload }) => {
      const piece = seen.pieces.at(-1);
      if (typeof payload !== 'string') {
        seen.bytes += payload.length;
        if (piece) piece['payload'] = payload.toString('base64');
      } else if (payload.startsWith('451-["translation_speech"')) {
        const [, event] = JSON.parse(payload.slice(4)) as [string, Record<string, unknown>];
        seen.encodings.add(String(event['encoding']));
        seen.pieces.push(event);
      }
    }),
  );
  return seen;
}

/** What our Python client makes of the same pieces. */
const DECODE = `
import base64, json, sys
from seamless_server.client.messages import SpeechReader
reader = SpeechReader()
for event in json.load(sys.stdin):
    event["payload"] = base64.b64decode(event["payload"])
    sys.stdout.buffer.write(reader.read(event).samples.tobytes())
`;

function decodedByPython(pieces: readonly Record<string, unknown>[]): Int16Array {
  const pcm = execFileSync(PYTHON, ['-c', DECODE], {
    cwd: REPO,
    input: JSON.stringify(pieces),
    maxBuffer: 2 ** 28,
  });
  return new Int16Array(pcm.buffer.slice(pcm.byteOffset, pcm.byteOffset + pcm.length));
}

async function savedSpeech(page: Page): Promise<Int16Array> {
  await page.getByRole('button', { name: 'Save the transcript' }).click();
  const download = page.waitForEvent('download');
  await page.getByRole('menuitem', { name: 'Translated speech (WAV)' }).click();
  const wav = await readFile(await (await download).path());
  return new Int16Array(wav.buffer.slice(wav.byteOffset + 44, wav.byteOffset + wav.length));
}

function likeness(one: Int16Array, other: Int16Array): number {
  let [product, first, second] = [0, 0, 0];
  for (let i = 0; i < one.length; i += 1) {
    const [x, y] = [one[i] ?? 0, other[i] ?? 0];
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
  const sent = await savedSpeech(plain.page);
  await expect
    .poll(async () => (await savedSpeech(opus.page)).length, { timeout: 30_000 })
    .toBe(sent.length);
  const decoded = await savedSpeech(opus.page);
  const known = decodedByPython(opus.seen.pieces);
  expect(known.length).toBe(decoded.length);
  expect(likeness(known, decoded)).toBeGreaterThan(0.95);
});

test('a browser that can encode Opus sends it: the server hears what was said, in its place', async ({
  visit,
}) => {
  const page = await visit('about:blank');
  // What the page gives to the encoder, as the browser has it.
  await page.addInitScript(`
    window.said = [];
    const encode = AudioEncoder.prototype.encode;
    AudioEncoder.prototype.encode = function (data) {
      const samples = new Int16Array(data.numberOfFrames);
      data.copyTo(samples, { planeIndex: 0 });
      window.said.push(...samples);
      encode.call(this, data);
    };
  `);
  let bytes = 0;
  page.on('websocket', (socket) =>
    socket.on('framesent', ({ payload }) => {
      if (typeof payload !== 'string') bytes += payload.length;
    }),
  );
  await page.goto(new URL('?debug=true', (await visit()).url()).toString());
  await speak(page);
  await page.waitForTimeout(6000);
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  const link = page.getByRole('link', { name: 'input.wav' });
  await expect(link).toBeVisible({ timeout: 40_000 });
  const wav = await page.request.get((await link.getAttribute('href')) ?? '');
  const file = await wav.body();
  const heard = new Int16Array(
    file.buffer.slice(file.byteOffset + 44, file.byteOffset + file.length),
  );
  const said = Int16Array.from((await page.evaluate('window.said')) as number[]);
  // The encoder gets silence behind the last sample, which is nobody's.
  expect(heard.length).toBeLessThanOrEqual(said.length);
  expect(said.length - heard.length).toBeLessThan(2 * 960);
  expect(heard.length).toBeGreaterThan(4 * 48_000);
  expect(likeness(heard, said.subarray(0, heard.length))).toBeGreaterThan(0.95);
  expect(2 * heard.length).toBeGreaterThan(12 * bytes);
});
