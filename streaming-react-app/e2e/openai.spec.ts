/** The doors for OpenAI's clients, with their npm client, and from a browser. */
import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI from 'openai';
import { expect, test } from './support/fixtures';
import { MICROPHONE, RECORDINGS } from './support/paths';

const SECRET = 'only for this test';

/** 16 kHz, as the fake microphone has it, at the wire's 24 kHz. */
function pcm24(path: string): string {
  const wav = readFileSync(path).subarray(44);
  const samples = wav.length / 2;
  const pcm = Buffer.alloc(Math.floor(samples * 1.5) * 2);
  for (let at = 0; at < pcm.length; at += 2) {
    pcm.writeInt16LE(wav.readInt16LE(Math.floor(at / 3) * 2), at);
  }
  return pcm.toString('base64');
}

interface Made {
  value: string;
  session: { audio: { output: { language: string } } };
}

test("OpenAI's npm client translates files, and a browser speaks with a secret of its own", async ({
  startServer,
  visit,
}) => {
  // What the model of random weights says depends on where its audio is cut.
  const env = { SEAMLESS_AUTH_SECRET: SECRET, SEAMLESS_JOIN_LIMIT_MS: '320' };
  const server = await startServer({ env });
  const client = new OpenAI({ baseURL: `${server.url}v1`, apiKey: SECRET, maxRetries: 0 });
  const file = () => createReadStream(join(RECORDINGS, 'human_short.flac'));

  const [model] = (await client.models.list()).data;
  expect(model?.owned_by).toBe('seamless-server');
  const english = await client.audio.translations.create({ file: file(), model: 'default' });
  expect(english.text).not.toBe('');
  const german = await client.audio.transcriptions.create({
    file: file(),
    model: 'default',
    language: 'de',
    response_format: 'verbose_json',
  });
  expect(german.language).toBe('deu');
  expect(german.segments?.map((segment) => segment.text.trim()).join(' ')).toBe(german.text);
  const refused = client.audio.transcriptions.create({
    file: file(),
    model: 'default',
    language: 'xx',
  });
  await expect(refused).rejects.toMatchObject({ status: 400, code: 'language' });
  const stranger = new OpenAI({ baseURL: `${server.url}v1`, apiKey: 'none', maxRetries: 0 });
  await expect(
    stranger.audio.translations.create({ file: file(), model: 'default' }),
  ).rejects.toMatchObject({ status: 401 });

  const made = await client.post<Made>('/realtime/translations/client_secrets', {
    body: { session: { model: 'default', audio: { output: { language: 'de' } } } },
  });
  expect(made.session.audio.output.language).toBe('deu');
  const page = await visit(server.url);
  const heard = await page.evaluate(
    async ({ key, pcm }) => {
      const address = `${location.origin.replace('http', 'ws')}/v1/realtime/translations`;
      const socket = new WebSocket(address, ['realtime', `openai-insecure-api-key.${key}`]);
      const kinds = new Set<string>();
      let text = '';
      await new Promise((resolve, reject) => {
        socket.onerror = reject;
        socket.onclose = resolve;
        socket.onmessage = ({ data }) => {
          const event = JSON.parse(String(data)) as { type: string; delta?: string };
          kinds.add(event.type);
          if (event.type === 'session.created') {
            const append = { type: 'session.input_audio_buffer.append', audio: pcm };
            socket.send(JSON.stringify(append));
            socket.send(JSON.stringify({ type: 'session.close' }));
          }
          if (event.type === 'session.output_transcript.delta') text += event.delta ?? '';
        };
      });
      return { kinds: [...kinds], text, protocol: socket.protocol };
    },
    {
      key: made.value,
      pcm: pcm24(MICROPHONE),
    },
  );
  expect(heard.protocol).toBe('realtime');
  expect(heard.kinds).toContain('session.closed');
  expect(heard.text.trim()).not.toBe('');
});
