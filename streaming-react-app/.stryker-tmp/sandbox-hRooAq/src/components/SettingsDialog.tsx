// @ts-nocheck
import { CAPTION_SIZES, useCaptionSize } from '../hooks/useCaptionSize';
import { UI_LANGUAGES, setUiLanguage, useTranslation } from '../i18n';
import type { UiLanguage } from '../i18n';
import { preferences } from '../state/preferences';
import type { Announce, ThemeChoice } from '../state/preferences';
import { useStore } from '../state/store';
import { Choice } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Select, Slider, Switch } from '../ui/fields';

const THEMES: ThemeChoice[] = ['system', 'light', 'dark', 'contrast'];
const ANNOUNCE: Announce[] = ['sentences', 'phrases', 'off'];

/** How the page looks and speaks to this person. */
export default function SettingsDialog({ onClose }: { onClose: () => void }) {
  const { t, language: ui } = useTranslation();
  const state = useStore(preferences);
  const captionSize = useCaptionSize();
  return (
    <Dialog title={t('settings.title')} onClose={onClose}>
      <Choice
        label={t('settings.theme')}
        value={state.theme}
        onChange={(theme) => preferences.setState({ theme })}
        options={THEMES.map((theme) => ({ value: theme, label: t(`settings.${theme}`) }))}
      />
      <Slider
        label={t('settings.size')}
        {...CAPTION_SIZES}
        step={2}
        value={captionSize}
        text={`${String(captionSize)} px`}
        onChange={(size) => preferences.setState({ captionSize: size })}
      />
      <Select
        label={t('settings.uiLanguage')}
        value={ui}
        onChange={(value) => {
          preferences.setState({ uiLanguage: value });
          void setUiLanguage(value as UiLanguage);
        }}
        options={Object.entries(UI_LANGUAGES).map(([code, name]) => ({
          value: code,
          label: name,
          lang: code,
        }))}
      />
      <Select
        label={t('settings.announce')}
        value={state.announce}
        onChange={(value) => preferences.setState({ announce: value as Announce })}
        options={ANNOUNCE.map((mode) => ({ value: mode, label: t(`settings.announce_${mode}`) }))}
      />
      <div className="stack tight">
        {(['keepAwake', 'letters'] as const).map((name) => (
          <Switch
            key={name}
            label={t(`settings.${name}`)}
            checked={state[name]}
            onChange={(on) => preferences.setState({ [name]: on })}
          />
        ))}
      </div>
    </Dialog>
  );
}
