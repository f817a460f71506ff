/** The line of speakers that wait for a stream. */
import type { Page } from '@playwright/test';
import { expect, test } from './support/fixtures';
import { reads, roomCode, speak } from './support/people';

const place = (page: Page) => page.getByTestId('place');

test('those who wait see their place, and start by themselves when it is their turn', async ({
  visit,
  startServer,
  accessible,
}) => {
  test.setTimeout(240_000);
  const server = await startServer({ args: ['--max-speakers', '1'] });
  const asks = async (address: string) => {
    const page = await visit(server.url + address);
    await page.locator('.door-speaker').click();
    await roomCode(page);
    await page.locator('.side .button.large').click();
    return page;
  };
  const first = await visit(server.url);
  await speak(first);
  const second = await asks('?debug=true');
  await expect(place(second)).toContainText('You are next in line.');
  await expect(place(second)).toContainText('Nothing is sent until then.');
  await accessible(second);

  const third = await asks('?ui=de');
  await expect(place(third)).toContainText('Du bist Nummer 2 von 2 in der Warteschlange.');
  const fourth = await asks('?ui=fr');
  await expect(place(fourth)).toContainText('Vous avez la place 3 sur 3 dans la file.');
  const fifth = await asks('?ui=es');
  await expect(place(fifth)).toContainText('Tienes el puesto 4 de 4 en la cola.');

  await test.step('who stops waiting or closes the page leaves the line', async () => {
    await third.getByRole('button', { name: 'Nicht mehr warten' }).click();
    await expect(place(fourth)).toContainText('la place 2 sur 3');
    await fourth.close();
    await expect(place(fifth)).toContainText('el puesto 2 de 2');
  });

  await test.step('nothing of their voice leaves the page while they wait', async () => {
    await second.getByLabel('Filter').fill('incoming_audio');
    const rows = second.getByRole('region', { name: 'Events' }).getByRole('row');
    await expect(rows).toHaveCount(0);
  });

  await test.step('a place is free: the next one speaks without a click', async () => {
    await reads(first, 'spa');
    await first.getByRole('button', { name: 'Stop', exact: true }).click();
    await expect(second.getByTestId('vad-state')).toBeVisible({ timeout: 45_000 });
    await expect(place(second)).toBeHidden();
    await expect(place(fifth)).toContainText('El siguiente turno es tuyo.');
    await reads(second, 'spa');
  });
});
