/** An agent of one's own (examples/wait_k, docs/agents.md), from the folder to the captions. */
import { resolve } from 'node:path';
import { expect, test } from './support/fixtures';
import { EMBEDDED, REPO } from './support/paths';
import { becomeSpeaker, listenerLink, lines, reads, wordsOf } from './support/people';

test('the wait-k agent is chosen in the page and writes word by word for everybody', async ({
  visit,
  startServer,
}) => {
  const server = await startServer({
    model: EMBEDDED,
    args: ['--model', resolve(REPO, 'examples/wait_k')],
  });
  const page = await visit(server.url);
  const room = await becomeSpeaker(page);
  await page.getByLabel('Model', { exact: true }).selectOption('wait_k');
  const listener = await visit(`${server.url}${listenerLink(room, 'spa')}`);

  await page.getByRole('button', { name: 'File' }).click();
  await page.getByLabel('Choose a file').setInputFiles(resolve(EMBEDDED, 'samples/clip2.flac'));
  await page.getByRole('button', { name: 'Play the file' }).click();
  await reads(page, 'spa');
  await expect(lines(listener, 'spa').first()).toContainText('pizza', { timeout: 60_000 });
  await expect(page.getByRole('button', { name: 'Play the file' })).toBeVisible({
    timeout: 60_000,
  });
  // Word by word, as the agent's glossary has it, and not as the model beside it translates.
  await expect.poll(() => wordsOf(page, 'spa')).toMatch(/el pizza es demasiado salada/i);
  expect(await wordsOf(listener, 'spa')).toBe(await wordsOf(page, 'spa'));
});
