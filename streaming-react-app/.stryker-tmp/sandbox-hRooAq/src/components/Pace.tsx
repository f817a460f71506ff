// @ts-nocheck
import { useTranslation } from '../i18n';
import { preferences } from '../state/preferences';
import { Button } from '../ui/Button';
import { Slider } from '../ui/fields';

/** How long the model waits before it commits to a word: a threshold, in plain words. */
export function Pace({ range, pace }: { range: { min: number; max: number }; pace: number }) {
  const { t } = useTranslation();
  const middle = (range.min + range.max) / 2;
  return (
    <div className="pace">
      <Slider
        label={t('speak.pace')}
        {...range}
        step={0.05}
        value={pace || middle}
        text={pace === 0 ? t('speak.paceOwn') : pace.toFixed(2)}
        onChange={(value) => preferences.setState({ pace: value })}
      />
      <p className="pace-ends hint" aria-hidden="true">
        <span>{t('speak.sooner')}</span>
        <span>{t('speak.steadier')}</span>
      </p>
      <p className="hint">{t('speak.paceHint')}</p>
      {pace !== 0 && (
        <Button size="small" onClick={() => preferences.setState({ pace: 0 })}>
          {t('speak.paceReset')}
        </Button>
      )}
    </div>
  );
}
