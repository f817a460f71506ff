/** Before all tests: the page is built, and the fake microphone has something to say. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { APP, MICROPHONE, PYTHON, RECORDINGS, TMP } from './paths';

/** Real speech with a pause after it, so that sentences end: what people do. */
const MAKE_MICROPHONE = `
import sys, numpy, soundfile
source, target = sys.argv[1:]
speech, rate = soundfile.read(source, dtype="int16")
pause = numpy.zeros(int(2.2 * rate), "int16")
soundfile.write(target, numpy.concatenate([speech, pause]), rate, subtype="PCM_16")
`;

export default function setup(): void {
  mkdirSync(TMP, { recursive: true });
  execFileSync(PYTHON, ['-c', MAKE_MICROPHONE, `${RECORDINGS}/human_short.flac`, MICROPHONE]);
  if (!existsSync(`${APP}/dist/index.html`)) {
    execFileSync('npm', ['run', '--silent', 'build'], { cwd: APP, stdio: 'inherit' });
  }
}
