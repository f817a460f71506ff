import IconButton from '@mui/material/IconButton';
import TextField from '@mui/material/TextField';
import ToggleButton from '@mui/material/ToggleButton';
import { X } from 'lucide-react';
import { useCallback, useMemo, useState, useSyncExternalStore } from 'react';
import { useTranslation } from 'react-i18next';
import { useClient } from '../app/client';
import { useStore } from '../state/store';
import { filterLog } from './eventLog';
import { LiveChart } from './LiveChart';
import { Recordings } from './Recordings';

const SHOWN = 200;

/** For those who look under the bonnet: charts, messages, the server's state, recordings. */
export default function DebugPanel({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const { room, listener } = useClient();
  const server = useStore(room.server, ({ state }) => state);
  const playback = useStore(listener.state, (state) => state.playback);
  return (
    <section className="debug" aria-label={t('debug.title')}>
      <div className="row between">
        <h2>{t('debug.title')}</h2>
        <IconButton aria-label={t('debug.close')} onClick={onClose}>
          <X size={20} />
        </IconButton>
      </div>
      <div className="charts">
        <LiveChart
          title={t('debug.latency')}
          unit="ms"
          series={[
            { series: 'textLatency', label: t('debug.text'), stroke: '--primary' },
            { series: 'speechLatency', label: t('debug.speech'), stroke: '--live' },
          ]}
        />
        <LiveChart
          title={t('debug.lag')}
          unit="ms"
          series={[
            { series: 'lag', label: t('status.lag'), stroke: '--primary' },
            { series: 'queued', label: t('debug.queue'), stroke: '--live' },
            { series: 'behind', label: t('debug.behind'), stroke: '--quiet' },
          ]}
        />
        <LiveChart
          title={t('debug.rtf')}
          unit="×"
          series={[{ series: 'realTimeFactor', label: t('debug.rtfSeries'), stroke: '--primary' }]}
        />
      </div>
      <EventList />
      <details open>
        <summary>{t('debug.recordings')}</summary>
        <Recordings />
      </details>
      {playback && (
        <p className="hint">
          {t('debug.playback')}:{' '}
          {t('debug.playbackFacts', {
            played: (playback.played / 16000).toFixed(1),
            skipped: (playback.skipped / 16000).toFixed(1),
            dry: playback.dryRuns,
            rate: playback.rate.toFixed(2),
          })}
        </p>
      )}
      <details>
        <summary>{t('debug.server')}</summary>
        {/* A scrolling region must be reachable by keyboard. */}
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
        <pre className="server-state" tabIndex={0} aria-label={t('debug.server')}>
          {JSON.stringify(server, null, 2)}
        </pre>
      </details>
    </section>
  );
}

function EventList() {
  const { t } = useTranslation();
  const { log } = useClient();
  const [filter, setFilter] = useState('');
  const [held, setHeld] = useState<ReturnType<typeof log.list> | null>(null);
  const subscribe = useCallback((changed: () => void) => log.subscribe(changed), [log]);
  const live = useSyncExternalStore(subscribe, () => log.list());
  const entries = held ?? live;
  const found = useMemo(() => filterLog(entries, filter), [entries, filter]);
  return (
    <section className="events" aria-label={t('debug.log')}>
      <div className="row between">
        <TextField
          size="small"
          label={t('debug.filter')}
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
        />
        <ToggleButton
          value="held"
          selected={held !== null}
          onChange={() => setHeld(held === null ? live : null)}
        >
          {t('debug.hold')}
        </ToggleButton>
        <span className="hint">
          {t('debug.count', { shown: found.length, total: entries.length })}
        </span>
      </div>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className="event-rows" tabIndex={0}>
        <table>
          <tbody>
            {found
              .slice(-SHOWN)
              .reverse()
              .map((entry) => (
                <tr key={entry.id}>
                  <td>{new Date(entry.time).toISOString().slice(11, 23)}</td>
                  <td>{entry.direction === 'in' ? '←' : '→'}</td>
                  <td>{entry.event}</td>
                  <td className="detail">{entry.detail}</td>
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
