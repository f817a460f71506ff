// @ts-nocheck
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { useStore } from '../state/store';

/** Below this the ear is as good as in step. */
const IN_STEP_SECONDS = 0.5;

/** How far playback is behind, and whether it is catching up. */
export function BehindBy() {
  const { t } = useTranslation();
  const { listener } = useClient();
  const behind = useStore(
    listener.state,
    ({ playback }) => Math.round((playback?.behind ?? 0) * 2) / 2,
  );
  const faster = useStore(listener.state, ({ playback }) => (playback?.rate ?? 1) > 1);
  const text =
    behind <= IN_STEP_SECONDS
      ? t('listen.inStep')
      : t(faster ? 'listen.catchingUp' : 'listen.behind', { seconds: behind.toFixed(1) });
  return (
    <span className="behind" data-testid="behind">
      {text}
    </span>
  );
}
