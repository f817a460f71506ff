/** A model with an expressive voice: speakers choose whether theirs is heard. */
import type { Page } from '@playwright/test';
import { expect, test } from './support/fixtures';
import { becomeSpeaker, isLive, listenerLink, reads, roomCode, speak } from './support/people';
import { VOICE } from './support/paths';

/** Sample rates of the speech that a page gets from now on. */
function ratesOf(page: Page): Set<string> {
  const rates = new Set<string>();
  page.on('websocket', (socket) => {
    socket.on('framereceived', ({ payload }) => {
      const found = /\["translation_speech",.*"sample_rate":(\d+)/.exec(payload.toString());
      if (found?.[1]) rates.add(found[1]);
    });
  });
  return rates;
}

test("the speaker's own voice is offered where there is one, and switched while live", async ({
  visit,
  startServer,
  accessible,
}) => {
  const server = await startServer({
    env: {
      USE_EXPRESSIVE_MODEL: '1',
      SEAMLESS_EXPRESSIVE_VOICE: VOICE,
      // The random model then speaks early and much.
      SEAMLESS_STREAM_OPTIONS:
        'decision_threshold=0.3,decision_method=mean,max_len_a=0,max_len_b=40',
    },
  });
  const listener = await visit('about:blank');
  const rates = ratesOf(listener);
  await listener.goto(new URL(listenerLink('', 'deu'), server.url).toString());
  const room = await roomCode(listener);
  await listener.getByRole('button', { name: 'Turn the sound on' }).click();

  const speaker = await visit(new URL(`?roomID=${room}`, server.url).toString());
  await speak(speaker);
  const own = speaker.getByRole('switch', { name: 'In my own voice' });
  await expect(own).not.toBeChecked();
  await expect(speaker.getByText('in a voice like yours')).toBeVisible();
  await reads(listener, 'deu');
  await expect.poll(() => [...rates], { timeout: 45_000 }).toEqual(['16000']);
  await own.click();
  await expect(own).toBeChecked();
  await expect.poll(() => [...rates], { timeout: 45_000 }).toEqual(['16000', '24000']);
  await accessible(speaker);
  // It is kept for the next visit.
  await speaker.goto(server.url);
  await speak(speaker);
  await expect(own).toBeChecked();
});

test('without such a voice there is no switch', async ({ visit }) => {
  const page = await visit();
  await speak(page);
  await expect(page.getByRole('switch', { name: 'In my own voice' })).toBeHidden();
});

test('where the model has several voices for a language, the speaker chooses one', async ({
  visit,
  server,
  accessible,
}) => {
  const page = await visit('about:blank');
  const asked: string[] = [];
  page.on('websocket', (socket) =>
    socket.on('framesent', ({ payload }) => {
      if (payload.toString().includes('"configure_stream"')) asked.push(payload.toString());
    }),
  );
  await page.goto(new URL('?lang=est', server.url).toString());
  await becomeSpeaker(page);
  const voice = page.getByLabel('Voice of the translation');
  await expect(voice.locator('option')).toHaveText(['Voice 1', 'Voice 2', 'Voice 3']);
  await voice.selectOption('Voice 2');
  await accessible(page);
  await page.getByRole('button', { name: 'Go live' }).click();
  await isLive(page);
  expect(asked).toHaveLength(1);
  expect(asked[0]).toContain('"voice_number":2');
});
