/** One speaker, listeners in two languages, somebody who comes late. */
import { readFile } from 'node:fs/promises';
import { expect, test } from './support/fixtures';
import { captions, lines, listenerLink, reads, roomCode, speak, wordsOf } from './support/people';
import { heardPieces, heardSamples, tapLoudspeaker } from './support/loudspeaker';

test('a speaker and two listeners with different languages', async ({ visit, accessible }) => {
  // The listeners sit down before the talk, so that no sentence is older than their wishes.
  const german = await visit('about:blank');
  await tapLoudspeaker(german);
  const speaker = await visit();
  await german.goto(new URL(listenerLink('', 'deu'), speaker.url()).toString());
  const room = await roomCode(german);
  // Nothing sounds until somebody wants it.
  await german.getByRole('button', { name: 'Turn the sound on' }).click();
  const french = await visit(listenerLink(room, 'fra'));
  await roomCode(french);
  await speaker.goto(new URL(`?roomID=${room}`, speaker.url()).toString());
  await speak(speaker);

  await test.step('each reads its own language', async () => {
    await reads(german, 'deu');
    await reads(french, 'fra');
    expect(await lines(german, 'fra').count()).toBe(0);
    expect(await lines(french, 'deu').count()).toBe(0);
    await expect(captions(german).locator('[lang="de"]').first()).toBeVisible();
  });

  await test.step('what was heard stands with it, for those who want that', async () => {
    await expect(captions(speaker).locator('.line-heard').first()).toHaveText(/\S/, {
      timeout: 30_000,
    });
    await expect(captions(french).locator('.line-heard')).toHaveCount(0);
    await french.getByRole('button', { name: 'Sound and more' }).click();
    await french.getByRole('switch', { name: 'Show what was heard' }).click();
    await french.getByRole('button', { name: 'Close' }).click();
    await expect(captions(french).locator('.line-heard').first()).toHaveText(/\S/, {
      timeout: 30_000,
    });
  });

  await test.step('the speaker sees who listens, and what the server hears', async () => {
    await expect(speaker.getByTestId('listeners')).toContainText('Deutsch 1');
    await expect(speaker.getByTestId('listeners')).toContainText('Français 1');
    await expect(speaker.getByTestId('vad-state')).toHaveText('Speech', { timeout: 20_000 });
    await expect(speaker.getByTestId('vad-state')).toHaveText('Silence', { timeout: 20_000 });
    await expect(speaker.getByTestId('delay')).toHaveText(/^\d+\.\d s$/);
  });

  await test.step('the listener hears speech: samples reach the loudspeaker', async () => {
    await expect.poll(() => heardSamples(german), { timeout: 45_000 }).toBeGreaterThan(1600);
    await german.getByRole('button', { name: 'Sound and more' }).click();
    await expect(german.getByTestId('behind')).toHaveText(/In step|behind/);
    await accessible(german);
    await german.getByRole('button', { name: 'Close' }).click();
  });

  await test.step('whoever comes late reads what was said', async () => {
    const before = await wordsOf(german, 'deu');
    const late = await visit(listenerLink(room, 'deu'));
    const first = before.split(' ').slice(0, 2).join(' ');
    await expect(captions(late)).toContainText(first);
  });

  await test.step('nothing is in the way of anybody', async () => {
    await accessible(speaker);
    await accessible(german);
  });

  await test.step('what was written never changes, and the tail comes after stop', async () => {
    const early = await wordsOf(french, 'fra');
    await speaker.getByRole('button', { name: 'Stop', exact: true }).click();
    await expect(speaker.getByRole('button', { name: 'Go live' })).toBeVisible({
      timeout: 40_000,
    });
    const after = await wordsOf(french, 'fra');
    expect(after.startsWith(early)).toBe(true);
    // Every sentence was closed: nothing that was said is left open.
    await expect(captions(french).locator('.line.open')).toHaveCount(0);
  });

  await test.step('the transcript and the speech can be taken along', async () => {
    const text = await wordsOf(german, 'deu');
    const save = async (item: string) => {
      await german.getByRole('button', { name: 'Save the transcript' }).click();
      const download = german.waitForEvent('download');
      await german.getByRole('menuitem', { name: item }).click();
      const file = await download;
      return { name: file.suggestedFilename(), content: await readFile(await file.path()) };
    };
    const txt = await save('Text (TXT)');
    expect(txt.name).toMatch(new RegExp(`^seamless-${room}-.*\\.txt$`));
    expect(txt.content.toString().replace(/\s+/g, ' ')).toContain(text.split(' ')[0]);
    expect((await save('Subtitles (SRT)')).content.toString()).toMatch(
      /^1\n\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}\n\S/,
    );
    expect((await save('Subtitles (VTT)')).content.toString()).toMatch(/^WEBVTT\n\n/);
    const json = JSON.parse((await save('Data (JSON)')).content.toString()) as { lang: string }[];
    expect(new Set(json.map((line) => line.lang))).toEqual(new Set(['deu']));
    const wav = (await save('Translated speech (WAV)')).content;
    expect(wav.subarray(0, 4).toString()).toBe('RIFF');
    expect(wav.readUInt32LE(24)).toBe(16000);
    expect(wav.length).toBe(44 + wav.readUInt32LE(40));
    // What came out of the loudspeaker is what was received, sample by sample; with a backlog the
    // player jumps every 15 to 60 ms, so pieces are short and not every one is found again.
    const pieces = await heardPieces(german, 200);
    expect(pieces.some((piece) => wav.subarray(44).includes(piece))).toBe(true);
  });

  await test.step('the speaker clears it for everybody, after a question', async () => {
    await speaker.getByRole('button', { name: 'Save the transcript' }).click();
    await speaker.getByRole('menuitem', { name: 'Clear for everyone …' }).click();
    await speaker.getByRole('button', { name: 'Keep it' }).click();
    await reads(german, 'deu');
    await speaker.getByRole('button', { name: 'Save the transcript' }).click();
    await speaker.getByRole('menuitem', { name: 'Clear for everyone …' }).click();
    await speaker.getByRole('button', { name: 'Clear for everyone' }).click();
    await expect(lines(german, 'deu')).toHaveCount(0);
    await expect(lines(french, 'fra')).toHaveCount(0);
  });
});
