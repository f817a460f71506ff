import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

export const APP = resolve(import.meta.dirname, '../..');
export const REPO = resolve(APP, '..');
export const TMP = resolve(APP, 'e2e/.tmp');
/** What the browser's fake microphone plays, over and over. */
export const MICROPHONE = resolve(TMP, 'microphone.wav');
/** A microphone whose switch is off. */
export const SILENCE = resolve(TMP, 'silence.wav');
export const RECORDINGS = resolve(REPO, 'tests/recordings/audio');
/** The smallest checkpoint: random weights, but through all the code of a real one. */
export const CHECKPOINT = resolve(REPO, 'tests/recordings/checkpoint');
/** The recorded expressive voice that belongs to it. */
export const VOICE = resolve(REPO, 'tests/recordings/expressive/24khz');
/** The small model that really translates: for pictures, not for tests of the page. */
export const EMBEDDED = resolve(REPO, 'models/SeamlessStreaming-mini');
export const PICTURES = resolve(REPO, 'docs/images');

const venv = resolve(REPO, '.venv/bin/python');
export const PYTHON = process.env['PYTHON'] ?? (existsSync(venv) ? venv : 'python3');

/** Debian's Chromium, or the one that is named. */
export const CHROMIUM =
  process.env['CHROMIUM'] ??
  ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync) ??
  'chromium';

export const BROWSER_FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A microphone that plays a file, over and over, and that everybody may use. */
export const fakeMicrophone = (file: string): string[] => [
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  `--use-file-for-fake-audio-capture=${file}`,
];
