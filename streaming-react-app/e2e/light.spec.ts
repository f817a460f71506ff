/** What a listener's phone has to load. */
import { expect, test } from './support/fixtures';
import { roomCode } from './support/people';

const MOST_BYTES = 150_000;

test('a listener link costs less than 150 kB over the wire', async ({ visit }) => {
  const room = await roomCode(await listening(visit));
  const page = await visit('about:blank');
  const network = await page.context().newCDPSession(page);
  await network.send('Network.enable');
  const sizes = new Map<string, number>();
  const urls = new Map<string, string>();
  network.on('Network.requestWillBeSent', ({ requestId, request }) =>
    urls.set(requestId, request.url),
  );
  network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) =>
    sizes.set(urls.get(requestId) ?? requestId, encodedDataLength),
  );
  const host = (await visit()).url();
  await page.goto(new URL(`?roomID=${room}&autoJoin=true&role=listener&lang=deu`, host).toString());
  await expect(page.getByRole('log')).toBeVisible();
  await page.waitForLoadState('networkidle');
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  expect(sizes.size).toBeGreaterThan(5);
  expect(total, JSON.stringify([...sizes], null, 1)).toBeLessThan(MOST_BYTES);
});

async function listening(visit: (address?: string) => Promise<import('@playwright/test').Page>) {
  const page = await visit();
  await page.getByRole('button', { name: 'Listen' }).click();
  return page;
}

test('the documentation of the REST interface needs no other server', async ({ visit, server }) => {
  const page = await visit();
  const foreign: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(server.url) && !request.url().startsWith('data:')) {
      foreign.push(request.url());
    }
  });
  await page.goto(`${server.url}docs`);
  await expect(page.getByText('/api/languages')).toBeVisible();
  expect(foreign).toEqual([]);
});
