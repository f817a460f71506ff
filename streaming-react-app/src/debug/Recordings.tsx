import Link from '@mui/material/Link';
import { useTranslation } from 'react-i18next';
import { useClient } from '../app/client';
import { serverPath } from '../net/serverAddress';
import { useStore } from '../state/store';

/** Links to what the server saved of this speaker's streams; the timeline first. */
export function Recordings() {
  const { t } = useTranslation();
  const { speaker, base } = useClient();
  const recordings = useStore(speaker.state, (state) => state.recordings);
  if (recordings.length === 0) return <p className="hint">{t('debug.noRecordings')}</p>;
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
