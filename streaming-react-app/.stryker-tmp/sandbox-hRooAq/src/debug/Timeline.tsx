// @ts-nocheck
import { Download } from 'lucide-react';
import { useEffect, useState } from 'react';
import { useClient } from '../app/client';
import { wavFile } from '../transcript/wav';
import { fileName, saveFile } from '../transcript/save';
import { useStore } from '../state/store';
import { Button } from '../ui/Button';
import { LANES } from './trace';
import type { Lane } from './trace';

const WINDOW_MS = 30_000;
const LOOK_AGAIN_MS = 500;
const NAMES: Record<Lane, string> = {
  sent: 'audio sent',
  speech: 'speech received',
  played: 'speech played',
  text: 'text received',
  rendered: 'text rendered',
};

/** The last half minute of this page, a lane for each thing that happens to sound and text. */
export function Timeline() {
  const { trace, room } = useClient();
  const roomID = useStore(room.view, (view) => view.roomID) ?? '';
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    trace.keep();
    const timer = setInterval(() => setNow(Date.now()), LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [trace]);
  const moments = trace.since(now - WINDOW_MS);
  const save = (which: 'input' | 'output') => {
    const { pcm16, rate } = trace.whole(which);
    const name = fileName(`${roomID}-${which}`, 'wav', new Date());
    saveFile(name, 'audio/wav', wavFile([pcm16], rate || 16_000));
  };
  const at = (time: number) => ((time - now + WINDOW_MS) / WINDOW_MS) * 100;
  return (
    <figure className="timeline" aria-label="Timeline">
      <figcaption>The last 30 s on this page</figcaption>
      {LANES.map((lane) => {
        const own = moments.filter((moment) => moment.lane === lane);
        return (
          <div key={lane} className="lane" data-lane={lane} data-count={own.length}>
            <span>{NAMES[lane]}</span>
            <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
              {own.map(({ from, to }, i) => (
                <rect
                  key={i}
                  x={at(from)}
                  width={Math.max(0.2, at(to) - at(from))}
                  y="1"
                  height="8"
                  fill="var(--primary)"
                />
              ))}
            </svg>
          </div>
        );
      })}
      <div className="row wrap">
        {(['input', 'output'] as const).map((which) => (
          <Button
            key={which}
            size="small"
            look="outlined"
            icon={<Download size={16} />}
            onClick={() => save(which)}
          >
            {which === 'input' ? 'Input as WAV' : 'Output as WAV'}
          </Button>
        ))}
        <span className="hint">since this panel was opened, with its real gaps</span>
      </div>
    </figure>
  );
}
