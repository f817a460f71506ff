import Button from '@mui/material/Button';
import FormControlLabel from '@mui/material/FormControlLabel';
import List from '@mui/material/List';
import ListItemButton from '@mui/material/ListItemButton';
import ListItemText from '@mui/material/ListItemText';
import MenuItem from '@mui/material/MenuItem';
import Switch from '@mui/material/Switch';
import TextField from '@mui/material/TextField';
import ToggleButton from '@mui/material/ToggleButton';
import ToggleButtonGroup from '@mui/material/ToggleButtonGroup';
import { AppWindow, FileAudio, Mic, Sparkles } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { useAudioInputs } from '../hooks/useAudioInputs';
import { languageTag } from '../languages/languages';
import type { Clip } from '../net/api';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import type { SourceSpec } from '../speak/state';

export interface SourceChoice {
  kind: SourceSpec['kind'];
  file: File | null;
  clip: Clip | null;
}

interface Props {
  choice: SourceChoice;
  clips: readonly Clip[];
  /** What clips are translated into, for showing what should come. */
  target: string | null;
  onChange: (change: Partial<SourceChoice>) => void;
  /** Changes when microphones may have got their names. */
  opened: unknown;
}

const ICONS = { microphone: Mic, tab: AppWindow, file: FileAudio, clip: Sparkles } as const;
const KINDS = Object.keys(ICONS) as (keyof typeof ICONS)[];

/** Where the sound comes from, and what can be set about it. */
export function SourcePicker({ choice, clips, target, onChange, opened }: Props) {
  const { t } = useTranslation();
  return (
    <div className="stack">
      <ToggleButtonGroup
        exclusive
        fullWidth
        value={choice.kind}
        onChange={(_event, kind: SourceSpec['kind'] | null) => kind && onChange({ kind })}
        aria-label={t('speak.source')}
        className="sources"
      >
        {KINDS.map((kind) => {
          const Icon = ICONS[kind];
          return (
            <ToggleButton key={kind} value={kind}>
              <Icon size={20} aria-hidden="true" />
              <span>{t(`speak.${kind}`)}</span>
            </ToggleButton>
          );
        })}
      </ToggleButtonGroup>
      {choice.kind === 'microphone' && <MicrophoneSettings opened={opened} />}
      {choice.kind === 'tab' && <p className="hint">{t('speak.tabHint')}</p>}
      {choice.kind === 'file' && (
        <div className="stack">
          <p className="hint">{t('speak.fileHint')}</p>
          <Button component="label" variant="outlined" startIcon={<FileAudio size={18} />}>
            {choice.file?.name ?? t('speak.chooseFile')}
            <input
              className="unseen"
              type="file"
              accept="audio/*,video/*"
              aria-label={t('speak.chooseFile')}
              onChange={(event) => onChange({ file: event.target.files?.[0] ?? null })}
            />
          </Button>
        </div>
      )}
      {choice.kind === 'clip' && (
        <ClipList
          clips={clips}
          target={target}
          chosen={choice.clip}
          onChoose={(clip) => onChange({ clip })}
        />
      )}
    </div>
  );
}

function MicrophoneSettings({ opened }: { opened: unknown }) {
  const { t } = useTranslation();
  const state = useStore(preferences);
  const devices = useAudioInputs(opened);
  const known = devices.some((device) => device.deviceId === state.deviceId);
  return (
    <div className="stack">
      <TextField
        select
        size="small"
        fullWidth
        label={t('speak.device')}
        value={known ? state.deviceId : ''}
        onChange={(event) => preferences.setState({ deviceId: event.target.value || null })}
        slotProps={{ select: { displayEmpty: true }, inputLabel: { shrink: true } }}
      >
        <MenuItem value="">{t('speak.deviceDefault')}</MenuItem>
        {devices
          .filter((device) => device.deviceId !== 'default')
          .map((device, i) => (
            <MenuItem key={device.deviceId} value={device.deviceId}>
              {device.label || t('speak.deviceUnnamed', { number: i + 1 })}
            </MenuItem>
          ))}
      </TextField>
      <div className="row wrap">
        {(['noiseSuppression', 'echoCancellation'] as const).map((name) => (
          <FormControlLabel
            key={name}
            control={
              <Switch
                checked={state[name]}
                onChange={(_event, on) => preferences.setState({ [name]: on })}
              />
            }
            label={t(`speak.${name}`)}
          />
        ))}
      </div>
    </div>
  );
}

interface ClipListProps {
  clips: readonly Clip[];
  target: string | null;
  chosen: Clip | null;
  onChoose: (clip: Clip) => void;
}

function ClipList({ clips, target, chosen, onChoose }: ClipListProps) {
  const { t } = useTranslation();
  if (clips.length === 0) return <p className="hint">{t('speak.noClips')}</p>;
  return (
    <div>
      <p className="hint">{t('speak.clipHint')}</p>
      <List dense className="clips" component="div" role="group" aria-label={t('speak.clip')}>
        {clips.map((clip) => (
          <ListItemButton
            key={clip.url}
            component="button"
            selected={clip === chosen}
            aria-pressed={clip === chosen}
            onClick={() => onChoose(clip)}
          >
            <ListItemText
              primary={clip.text || clip.name}
              secondary={
                target && clip.translations[target] ? (
                  <span lang={languageTag(target)}>{clip.translations[target]}</span>
                ) : null
              }
            />
          </ListItemButton>
        ))}
      </List>
    </div>
  );
}
