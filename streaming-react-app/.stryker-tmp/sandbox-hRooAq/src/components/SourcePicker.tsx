// @ts-nocheck
import { AppWindow, FileAudio, Mic, Sparkles } from 'lucide-react';
import { useTranslation } from '../i18n';
import { useAudioDevices } from '../hooks/useAudioDevices';
import { languageTag } from '../languages/languages';
import type { Clip } from '../net/api';
import { preferences } from '../state/preferences';
import { useStore } from '../state/store';
import type { SourceSpec } from '../speak/state';
import { Choice } from '../ui/Button';
import { Select, Switch } from '../ui/fields';
import { MicrophoneTest } from './MicrophoneTest';

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
    <>
      <Choice
        label={t('speak.source')}
        className="sources"
        value={choice.kind}
        onChange={(kind) => onChange({ kind })}
        options={KINDS.map((kind) => {
          const Icon = ICONS[kind];
          return {
            value: kind,
            label: t(`speak.${kind}`),
            icon: <Icon size={20} aria-hidden="true" />,
          };
        })}
      />
      {choice.kind === 'microphone' && <MicrophoneSettings opened={opened} />}
      {choice.kind === 'tab' && <p className="hint">{t('speak.tabHint')}</p>}
      {choice.kind === 'tab' && <Processing warn />}
      {choice.kind === 'file' && (
        <div className="stack">
          <p className="hint">{t('speak.fileHint')}</p>
          <label className="button outlined file-button">
            <FileAudio size={18} aria-hidden="true" />
            <span>{choice.file?.name ?? t('speak.chooseFile')}</span>
            <input
              type="file"
              accept="audio/*,video/*"
              aria-label={t('speak.chooseFile')}
              onChange={(event) => onChange({ file: event.target.files?.[0] ?? null })}
            />
          </label>
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
    </>
  );
}

/** What the browser does to the sound before it is sent: good for rooms, bad for a tab's sound. */
function Processing({ warn = false }: { warn?: boolean }) {
  const { t } = useTranslation();
  const state = useStore(preferences);
  const names = warn
    ? (['tabNoiseSuppression', 'tabEchoCancellation'] as const)
    : (['noiseSuppression', 'echoCancellation'] as const);
  const labels = ['noiseSuppression', 'echoCancellation'] as const;
  return (
    <div className="row wrap">
      {names.map((name, i) => (
        <Switch
          key={name}
          label={t(`speak.${labels[i] ?? 'noiseSuppression'}`)}
          checked={state[name]}
          onChange={(on) => preferences.setState({ [name]: on })}
        />
      ))}
      {warn && names.some((name) => state[name]) && (
        <p className="hint wrong">{t('speak.processed')}</p>
      )}
    </div>
  );
}

function MicrophoneSettings({ opened }: { opened: unknown }) {
  const { t } = useTranslation();
  const deviceId = useStore(preferences, (prefs) => prefs.deviceId);
  const devices = useAudioDevices('audioinput', opened);
  const known = devices.some((device) => device.deviceId === deviceId);
  return (
    <>
      <Select
        label={t('speak.device')}
        value={known && deviceId !== null ? deviceId : ''}
        onChange={(value) => preferences.setState({ deviceId: value || null })}
        options={[
          { value: '', label: t('speak.deviceDefault') },
          ...devices.map((device, i) => ({
            value: device.deviceId,
            label: device.label || t('speak.deviceUnnamed', { number: i + 1 }),
          })),
        ]}
      />
      <Processing />
      <MicrophoneTest />
    </>
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
      <div className="clips" role="group" aria-label={t('speak.clip')}>
        {clips.map((clip) => (
          <button
            key={clip.url}
            type="button"
            aria-pressed={clip === chosen}
            onClick={() => onChoose(clip)}
          >
            {clip.text || clip.name}
            {target && clip.translations[target] && (
              <small lang={languageTag(target)}>{clip.translations[target]}</small>
            )}
          </button>
        ))}
      </div>
    </div>
  );
}
