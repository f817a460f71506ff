// @ts-nocheck
import { useTranslation } from '../i18n';
import { useClient } from '../app/client';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import { Slider } from '../ui/fields';

/** As in the original demo: linear to 100 %, steep from there to 700 %. */
const STEEP = 6;

export function gainOf(position: number): number {
  return position <= 1 ? position : 1 + (position - 1) * STEEP;
}

export function positionOf(gain: number): number {
  return gain <= 1 ? gain : 1 + (gain - 1) / STEEP;
}

export function Volume({ hideLabel = false }: { hideLabel?: boolean }) {
  const { t } = useTranslation();
  const { listener } = useClient();
  const volume = useStore(listener.state, (state) => state.volume);
  return (
    <Slider
      label={t('listen.volume')}
      hideLabel={hideLabel}
      min={0}
      max={2}
      step={0.05}
      value={positionOf(volume)}
      text={`${String(Math.round(volume * 100))} %`}
      onChange={(position) => {
        listener.setVolume(gainOf(position));
        preferences.setState({ volume: gainOf(position) });
      }}
    />
  );
}
