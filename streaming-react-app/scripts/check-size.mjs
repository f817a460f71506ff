// Fails when the JavaScript of a first visit (the entry and what it imports at once) outgrows its
// budget. Views that open on demand (debug panel, QR code, presenter, overlay) do not count.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const BUDGET = 250_000;
const manifest = JSON.parse(readFileSync('dist/.vite/manifest.json', 'utf8'));
const seen = new Set();
const visit = (key) => {
  if (seen.has(key)) return;
  seen.add(key);
  (manifest[key].imports ?? []).forEach(visit);
};
const measure = (label) => {
  const total = [...seen].reduce(
    (sum, key) => sum + gzipSync(readFileSync(`dist/${manifest[key].file}`)).length,
    0,
  );
  console.log(`${label}: ${(total / 1000).toFixed(1)} kB of JavaScript, gzipped`);
  return total;
};
visit('index.html');
const first = measure('First load');
visit('src/views/RoomView.tsx');
measure('With a room');
if (first > BUDGET) {
  console.error(`The first load is over its budget of ${BUDGET / 1000} kB.`);
  process.exit(1);
}
