/** An agent of somebody else is a model like any other: the example of docs/agents.md. */
import { join } from 'node:path';
import { expect, test } from './support/fixtures';
import { becomeSpeaker } from './support/people';
import { REPO } from './support/paths';

test('the wait-k agent is read in the page', async ({ startServer, visit }) => {
  const server = await startServer({ model: join(REPO, 'examples', 'wait_k') });
  const page = await visit(server.url);
  await becomeSpeaker(page);
  await page.getByRole('button', { name: 'File' }).click();
  const clip = join(REPO, 'models', 'SeamlessStreaming-mini', 'samples', 'clip2.flac');
  await page.getByLabel('Choose a file').setInputFiles(clip);
  await page.getByRole('button', { name: 'Play the file' }).click();
  await expect(page.getByText('el pizza es demasiado salada')).toBeVisible({ timeout: 60_000 });
});
