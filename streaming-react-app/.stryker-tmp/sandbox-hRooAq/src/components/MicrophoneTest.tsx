// @ts-nocheck
import { AudioLines } from 'lucide-react';
import { useEffect, useState } from 'react';
import { useTranslation } from '../i18n';
import { MicrophoneTest as Test } from '../speak/microphoneTest';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import { Button } from '../ui/Button';
import { LevelMeter } from './LevelMeter';
import { ProblemAlert } from './ProblemAlert';

/** Five seconds of what the server would hear, played back. */
export function MicrophoneTest() {
  const { t } = useTranslation();
  const [test] = useState(() => new Test());
  const { phase, left, problem } = useStore(test.state);
  useEffect(() => () => test.stop(), [test]);
  const busy = phase === 'listening' || phase === 'playing';
  const said = () => {
    if (phase === 'listening') return t('speak.testing', { seconds: left });
    if (phase === 'playing') return t('speak.testPlays');
    return phase === 'nothing' ? t('speak.testNothing') : '';
  };
  return (
    <div className="stack tight">
      {problem && <ProblemAlert problem={problem} onClose={() => test.stop()} />}
      {busy && <LevelMeter level={test.level} />}
      <p className={phase === 'nothing' ? 'hint wrong' : 'hint'} role="status">
        {said()}
      </p>
      <Button
        look="outlined"
        icon={<AudioLines size={18} />}
        onClick={() => {
          const { deviceId, noiseSuppression, echoCancellation } = preferences.getState();
          if (busy) test.stop();
          else void test.run({ deviceId, noiseSuppression, echoCancellation });
        }}
      >
        {busy ? t('speak.cancel') : t(phase === 'idle' ? 'speak.test' : 'speak.testAgain')}
      </Button>
    </div>
  );
}
