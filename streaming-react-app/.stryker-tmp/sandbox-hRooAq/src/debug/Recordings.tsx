// @ts-nocheck
import { useClient } from '../app/client';
import { serverPath } from '../net/serverAddress';
import { useStore } from '../state/store';
import { Switch } from '../ui/fields';
import type { SavedRecording } from '../wire/messages';

/** Whether streams are recorded, and links to what the server saved; the timeline first. */
export function Recordings() {
  const { speaker, base } = useClient();
  const recordings = useStore(speaker.state, (state) => state.recordings);
  const record = useStore(speaker.state, (state) => state.record);
  return (
    <>
      <Switch
        checked={record}
        onChange={(on) => speaker.state.setState({ record: on })}
        label="Record streams for debugging (from the next start on)"
      />
      {recordings.length === 0 && (
        <p className="hint">
          No recording yet. When a recorded stream has ended, its files are linked here.
        </p>
      )}
      <List recordings={recordings} base={base} />
    </>
  );
}

function List({ recordings, base }: { recordings: readonly SavedRecording[]; base: string }) {
  return (
    <ul className="recordings">
      {recordings.map(({ name, url, files }) => (
        <li key={name}>
          <strong>{name}</strong>
          {files.includes('timeline.html') && (
            <a href={serverPath(base, `${url}timeline.html`)} target="_blank" rel="noreferrer">
              Timeline
            </a>
          )}
          {files
            .filter((file) => file !== 'timeline.html')
            .map((file) => (
              <a
                key={file}
                href={serverPath(base, `${url}${encodeURIComponent(file)}`)}
                target="_blank"
                rel="noreferrer"
              >
                {file}
              </a>
            ))}
        </li>
      ))}
    </ul>
  );
}
