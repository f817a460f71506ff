/** The other side of the wire: the original's clients, and the types that this page is built on. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { io } from 'socket.io-client';
import { expect, test } from './support/fixtures';
import { lines, listenerLink, reads } from './support/people';
import { APP, MICROPHONE } from './support/paths';

test('the page is built on the types of this very server', () => {
  const check = () =>
    execFileSync('node', ['scripts/gen-types.mjs', '--check'], { cwd: APP, stdio: 'pipe' });
  expect(check).not.toThrow();
});

test("the original client's conversation works unchanged beside this page", async ({
  server,
  visit,
}) => {
  const socket = io(server.url, {
    path: '/ws/socket.io',
    transports: ['websocket'],
    query: { clientID: 'an-old-client' },
  });
  try {
    const texts: { payload: string; eos: boolean }[] = [];
    const speech: { payload: number[]; sample_rate: number }[] = [];
    socket.on('translation_text', (message: (typeof texts)[number]) => texts.push(message));
    socket.on('translation_speech', (message: (typeof speech)[number]) => speech.push(message));
    const joined = (await socket.timeout(10_000).emitWithAck('join_room', 'an-old-client', null, {
      roles: ['speaker', 'listener'],
      lockServerName: null,
    })) as { roomsJoined: string[]; roomID: string };
    expect(joined.roomID).toMatch(/^[A-Z]{4}$/);
    const page = await visit(listenerLink(joined.roomID, 'deu'));
    await expect(page.getByRole('log')).toBeVisible();
    expect(
      await socket.timeout(10_000).emitWithAck('set_dynamic_config', { targetLanguage: 'spa' }),
    ).toMatchObject({ status: 'ok', message: 'dynamic_config_set' });
    expect(
      await socket.timeout(30_000).emitWithAck('configure_stream', {
        event: 'config',
        rate: 16000,
        model_name: 'tiny',
        debug: false,
        async_processing: true,
        buffer_limit: 1,
        model_type: 's2s&t',
      }),
    ).toMatchObject({ status: 'ok', message: 'server_ready' });
    const pcm = readFileSync(MICROPHONE).subarray(44);
    for (let at = 0; at < pcm.length; at += 10_922) {
      socket.emit('incoming_audio', pcm.subarray(at, at + 10_922));
    }
    expect(await socket.timeout(60_000).emitWithAck('stop_stream')).toMatchObject({
      status: 'ok',
      message: 'Stream stopped',
    });
    expect(
      texts
        .map((message) => message.payload)
        .join(' ')
        .trim(),
    ).not.toBe('');
    expect(texts.some((message) => message.eos)).toBe(true);
    expect(speech.length).toBeGreaterThan(0);
    expect(Array.isArray(speech[0]?.payload)).toBe(true);
    expect(speech[0]?.sample_rate).toBe(16000);
    await reads(page, 'deu');
    expect(await lines(page, 'spa').count()).toBe(0);
  } finally {
    socket.close();
  }
});
