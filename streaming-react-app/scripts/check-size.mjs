// Fails when the JavaScript that a view needs at first (the entry, the view, and what they import at
// once) outgrows its budget. What opens on demand (dialogs, QR code, debug panel) does not count.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const BUDGET = 250_000;
const VIEWS = {
  'Start page': [],
  'Room of a listener': ['src/views/RoomView.tsx'],
  'Room of a speaker': ['src/views/RoomView.tsx', 'src/components/SpeakPanel.tsx'],
  Overlay: ['src/views/OverlayView.tsx'],
  'Presenter view': ['src/views/PresenterView.tsx'],
};

const manifest = JSON.parse(readFileSync('dist/.vite/manifest.json', 'utf8'));

function needed(keys) {
  const seen = new Set();
  const visit = (key) => {
    if (seen.has(key)) return;
    seen.add(key);
    (manifest[key].imports ?? []).forEach(visit);
  };
  keys.forEach(visit);
  return [...seen];
}

const size = (key) => gzipSync(readFileSync(`dist/${manifest[key].file}`)).length;

let over = false;
for (const [view, parts] of Object.entries(VIEWS)) {
  const total = needed(['index.html', ...parts]).reduce((sum, key) => sum + size(key), 0);
  console.log(`${view}: ${(total / 1000).toFixed(1)} kB of JavaScript, gzipped`);
  over ||= total > BUDGET;
}
if (over) {
  console.error(`A view is over its budget of ${BUDGET / 1000} kB.`);
  process.exit(1);
}
