// @ts-nocheck
import { X } from 'lucide-react';
import { useCallback, useMemo, useState, useSyncExternalStore } from 'react';
import { useClient } from '../app/client';
import { useStore } from '../state/store';
import { Button, IconButton } from '../ui/Button';
import { TextField } from '../ui/fields';
import { filterLog } from './eventLog';
import { LiveChart } from './LiveChart';
import { Recordings } from './Recordings';
import { Timeline } from './Timeline';

const SHOWN = 200;

/** For those who look under the bonnet: charts, messages, the server's state, recordings. */
export default function DebugPanel({ onClose }: { onClose: () => void }) {
  const { room, listener } = useClient();
  const server = useStore(room.server, ({ state }) => state);
  const playback = useStore(listener.state, (state) => state.playback);
  return (
    <section className="debug" lang="en" dir="ltr" aria-label="Debug">
      <div className="row between">
        <h2>Debug</h2>
        <IconButton label="Close the debug panel" onClick={onClose}>
          <X size={20} />
        </IconButton>
      </div>
      <div className="charts">
        <LiveChart
          title="Latency"
          unit="ms"
          series={[
            { series: 'textLatency', label: 'Text', stroke: '--primary' },
            { series: 'speechLatency', label: 'Speech', stroke: '--live' },
          ]}
        />
        <LiveChart
          title="Lag and queue"
          unit="ms"
          series={[
            { series: 'lag', label: 'Lag', stroke: '--primary' },
            { series: 'queued', label: 'Queue', stroke: '--live' },
            { series: 'behind', label: 'Playback behind', stroke: '--quiet' },
          ]}
        />
        <LiveChart
          title="Seconds of work per second of sound"
          unit="×"
          series={[{ series: 'realTimeFactor', label: 'Real-time factor', stroke: '--primary' }]}
        />
      </div>
      <Timeline />
      <EventList />
      <details open>
        <summary>Recordings</summary>
        <Recordings />
      </details>
      {playback && (
        <p className="hint">
          Playback: {(playback.played / 16000).toFixed(1)} s heard,{' '}
          {(playback.skipped / 16000).toFixed(1)} s skipped, {playback.dryRuns} dry runs, rate{' '}
          {playback.rate.toFixed(2)}
        </p>
      )}
      <details>
        <summary>Server state</summary>
        {/* A scrolling region must be reachable by keyboard. */}
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
        <pre className="server-state" tabIndex={0} aria-label="Server state">
          {JSON.stringify(server, null, 2)}
        </pre>
      </details>
    </section>
  );
}

function EventList() {
  const { log } = useClient();
  const [filter, setFilter] = useState('');
  const [held, setHeld] = useState<ReturnType<typeof log.list> | null>(null);
  const subscribe = useCallback((changed: () => void) => log.subscribe(changed), [log]);
  const live = useSyncExternalStore(subscribe, () => log.list());
  const entries = held ?? live;
  const found = useMemo(() => filterLog(entries, filter), [entries, filter]);
  return (
    <section className="events" aria-label="Events">
      <div className="row between">
        <TextField label="Filter, e.g. text -state" value={filter} onChange={setFilter} />
        <Button
          look={held === null ? 'outlined' : 'filled'}
          aria-pressed={held !== null}
          onClick={() => setHeld(held === null ? live : null)}
        >
          Hold
        </Button>
        <span className="hint">
          {found.length} of {entries.length}
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
