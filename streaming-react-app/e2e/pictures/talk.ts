import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CHECKPOINT, EMBEDDED, RECORDINGS, TMP } from '../support/paths';

/** What the microphone says in the pictures. */
export const TALK = resolve(TMP, 'talk.wav');

const hasEmbedded = existsSync(join(EMBEDDED, 'config.json'));

/** The embedded model's own samples, or, without it, any speech at all. */
export function recordings(): string[] {
  const folder = join(EMBEDDED, 'samples');
  const found = existsSync(folder)
    ? readdirSync(folder).filter((name) => /\.(wav|flac|ogg)$/.test(name))
    : [];
  return found.length > 0
    ? found.sort().map((name) => join(folder, name))
    : [join(RECORDINGS, 'human_pauses.flac')];
}

export const model = hasEmbedded ? EMBEDDED : CHECKPOINT;
