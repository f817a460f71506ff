/** The speaker's own voice under the translation: for who wants it, where the speaker sends it. */
import { expect, test } from './support/fixtures';
import { heardSamples, tapLoudspeaker } from './support/loudspeaker';
import { becomeSpeaker, listenerLink } from './support/people';

test("a listener hears the speaker's own voice only where both want it", async ({
  visit,
  accessible,
}) => {
  const speaker = await visit();
  const room = await becomeSpeaker(speaker);
  // Nothing but the own voice is to be heard.
  await speaker.getByRole('button', { name: 'Text', exact: true }).click();
  const listener = await visit('about:blank');
  await tapLoudspeaker(listener);
  let pieces = 0;
  listener.on('websocket', (socket) =>
    socket.on('framereceived', ({ payload }) => {
      if (payload.toString().includes('"original_speech"')) pieces += 1;
    }),
  );
  await listener.goto(new URL(listenerLink(room, ''), speaker.url()).toString());
  await listener.getByRole('button', { name: 'Turn the sound on' }).click();
  await listener.getByRole('button', { name: 'Sound and more' }).click();
  const wants = listener.getByRole('switch', { name: "The speaker's own voice, too" });
  await expect(wants).toBeHidden();
  await speaker.getByRole('button', { name: 'Go live' }).click();
  await expect(speaker.getByTestId('vad-state')).toHaveText('Speech', { timeout: 20_000 });
  const sends = speaker.getByRole('switch', { name: 'Let listeners hear my own voice, too' });
  await expect(sends).not.toBeChecked();
  await sends.click();
  await expect(wants).not.toBeChecked();
  await accessible(listener);
  expect(pieces).toBe(0);
  await wants.click();
  await expect.poll(() => pieces, { timeout: 20_000 }).toBeGreaterThan(5);
  await expect.poll(() => heardSamples(listener), { timeout: 20_000 }).toBeGreaterThan(8000);
  await sends.click();
  await expect(sends).not.toBeChecked();
  await listener.waitForTimeout(600);
  const before = pieces;
  await listener.waitForTimeout(1500);
  expect(pieces).toBe(before);
});
