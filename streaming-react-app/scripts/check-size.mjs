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
visit('index.html');
// The first view that everybody sees loads right after the entry: it counts as well.
for (const view of ['src/views/HomeView.tsx', 'src/views/RoomView.tsx'])
  if (manifest[view]) visit(view);

const sizes = [...seen].map((key) => [
  manifest[key].file,
  gzipSync(readFileSync(`dist/${manifest[key].file}`)).length,
]);
const total = sizes.reduce((sum, [, size]) => sum + size, 0);
for (const [file, size] of sizes) console.log(`${String(size).padStart(8)} B  ${file}`);
console.log(`${String(total).padStart(8)} B  first load, gzipped (budget ${BUDGET} B)`);
if (total > BUDGET) process.exit(1);
