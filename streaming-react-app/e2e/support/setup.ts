/** Before all tests: the page is built, and the fake microphone has something to say. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { APP, MICROPHONE, PYTHON, RECORDINGS, SILENCE, TMP } from './paths';

/** Recordings one after the other, a pause after each so that sentences end: what people do. */
const MAKE_MICROPHONE = `
import sys, numpy, soundfile
target, *sources = sys.argv[1:]
parts = []
for source in sources:
    speech, rate = soundfile.read(source, dtype="int16")
    parts += [speech, numpy.zeros(int(2.2 * rate), "int16")]
soundfile.write(target, numpy.concatenate(parts), rate, subtype="PCM_16")
`;

export function makeMicrophone(target: string, recordings: readonly string[]): void {
  mkdirSync(TMP, { recursive: true });
  execFileSync(PYTHON, ['-c', MAKE_MICROPHONE, target, ...recordings]);
}

export default function setup(): void {
  makeMicrophone(MICROPHONE, [`${RECORDINGS}/human_short.flac`]);
  makeMicrophone(SILENCE, [`${RECORDINGS}/silence.flac`]);
  if (!existsSync(`${APP}/dist/index.html`)) {
    execFileSync('npm', ['run', '--silent', 'build'], { cwd: APP, stdio: 'inherit' });
  }
}
