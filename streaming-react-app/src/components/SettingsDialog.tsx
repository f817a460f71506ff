import Button from '@mui/material/Button';
import Dialog from '@mui/material/Dialog';
import DialogActions from '@mui/material/DialogActions';
import DialogContent from '@mui/material/DialogContent';
import DialogTitle from '@mui/material/DialogTitle';
import FormControlLabel from '@mui/material/FormControlLabel';
import MenuItem from '@mui/material/MenuItem';
import Slider from '@mui/material/Slider';
import Switch from '@mui/material/Switch';
import TextField from '@mui/material/TextField';
import ToggleButton from '@mui/material/ToggleButton';
import ToggleButtonGroup from '@mui/material/ToggleButtonGroup';
import { useTranslation } from 'react-i18next';
import { CAPTION_SIZES, useCaptionSize } from '../hooks/useCaptionSize';
import { UI_LANGUAGES, setUiLanguage } from '../i18n';
import type { UiLanguage } from '../i18n';
import { preferences } from '../state/preferences';
import type { Announce, ThemeChoice } from '../state/preferences';
import { useStore } from '../state/store';

const THEMES: ThemeChoice[] = ['system', 'light', 'dark', 'contrast'];
const ANNOUNCE: Announce[] = ['sentences', 'phrases', 'off'];
/** How the page looks and speaks to this person. */
export default function SettingsDialog({ onClose }: { onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const state = useStore(preferences);
  const captionSize = useCaptionSize();
  return (
    <Dialog open onClose={onClose} fullWidth maxWidth="xs" aria-labelledby="settings-title">
      <DialogTitle id="settings-title">{t('settings.title')}</DialogTitle>
      <DialogContent>
        <div className="stack roomy">
          <div className="stack tight">
            <span id="theme-label">{t('settings.theme')}</span>
            <ToggleButtonGroup
              exclusive
              fullWidth
              value={state.theme}
              onChange={(_event, theme: ThemeChoice | null) =>
                theme && preferences.setState({ theme })
              }
              aria-labelledby="theme-label"
            >
              {THEMES.map((theme) => (
                <ToggleButton key={theme} value={theme}>
                  {t(`settings.${theme}`)}
                </ToggleButton>
              ))}
            </ToggleButtonGroup>
          </div>
          <div className="stack tight">
            <span id="size-label">{t('settings.size')}</span>
            <div className="row between size-row">
              <span style={{ fontSize: 16 }} aria-hidden="true">
                A
              </span>
              <Slider
                aria-labelledby="size-label"
                min={CAPTION_SIZES.min}
                max={CAPTION_SIZES.max}
                step={2}
                value={captionSize}
                valueLabelDisplay="auto"
                onChange={(_event, size) => preferences.setState({ captionSize: size })}
              />
              <span style={{ fontSize: 30 }} aria-hidden="true">
                A
              </span>
            </div>
          </div>
          <TextField
            select
            size="small"
            label={t('settings.uiLanguage')}
            value={i18n.language}
            onChange={(event) => {
              const language = event.target.value as UiLanguage;
              preferences.setState({ uiLanguage: language });
              void setUiLanguage(language);
            }}
          >
            {Object.entries(UI_LANGUAGES).map(([code, name]) => (
              <MenuItem key={code} value={code} lang={code}>
                {name}
              </MenuItem>
            ))}
          </TextField>
          <TextField
            select
            size="small"
            label={t('settings.announce')}
            value={state.announce}
            onChange={(event) => preferences.setState({ announce: event.target.value as Announce })}
          >
            {ANNOUNCE.map((mode) => (
              <MenuItem key={mode} value={mode}>
                {t(`settings.announce_${mode}`)}
              </MenuItem>
            ))}
          </TextField>
          <FormControlLabel
            control={
              <Switch
                checked={state.keepAwake}
                onChange={(_event, keepAwake) => preferences.setState({ keepAwake })}
              />
            }
            label={t('settings.keepAwake')}
          />
        </div>
      </DialogContent>
      <DialogActions>
        <Button onClick={onClose}>{t('settings.close')}</Button>
      </DialogActions>
    </Dialog>
  );
}
