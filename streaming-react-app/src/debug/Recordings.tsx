import FormControlLabel from '@mui/material/FormControlLabel';
import Link from '@mui/material/Link';
import Switch from '@mui/material/Switch';
import { useTranslation } from 'react-i18next';
import { useClient } from '../app/client';
import { serverPath } from '../net/serverAddress';
import { useStore } from '../state/store';
import type { RecordingSaved } from '../wire/messages';

/** Whether streams are recorded, and links to what the server saved; the timeline first. */
export function Recordings() {
  const { t } = useTranslation();
  const { speaker, base } = useClient();
  const recordings = useStore(speaker.state, (state) => state.recordings);
  const record = useStore(speaker.state, (state) => state.record);
  return (
    <>
      <FormControlLabel
        control={
          <Switch
            checked={record}
            onChange={(_event, on) => speaker.state.setState({ record: on })}
          />
        }
        label={t('speak.record')}
      />
      {recordings.length === 0 && <p className="hint">{t('debug.noRecordings')}</p>}
      <List recordings={recordings} base={base} />
    </>
  );
}

function List({ recordings, base }: { recordings: readonly RecordingSaved[]; base: string }) {
  const { t } = useTranslation();
  return (
    <ul className="recordings">
      {recordings.map(({ name, url, files }) => (
        <li key={name}>
          <strong>{name}</strong>
          {files.includes('timeline.html') && (
            <Link href={serverPath(base, `${url}timeline.html`)} target="_blank" rel="noreferrer">
              {t('debug.timeline')}
            </Link>
          )}
          {files
            .filter((file) => file !== 'timeline.html')
            .map((file) => (
              <Link
                key={file}
                href={serverPath(base, `${url}${encodeURIComponent(file)}`)}
                target="_blank"
                rel="noreferrer"
              >
                {file}
              </Link>
            ))}
        </li>
      ))}
    </ul>
  );
}
