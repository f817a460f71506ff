// @ts-nocheck
// After Vite: the offline page in every language, the files of the REST interface's documentation,
// everything compressed beside itself, and a check of what each view costs over the wire.
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const DIST = 'dist';
/** Bytes over the wire, compressed with Brotli, fonts and styles included. */
const BUDGET = 150_000;
const VIEWS = {
  'Start page': [],
  'Room of a listener': ['src/views/RoomView.tsx'],
  Overlay: ['src/views/OverlayView.tsx'],
  'Presenter view': ['src/views/PresenterView.tsx'],
};

function writeOfflinePage() {
  const words = Object.fromEntries(
    readdirSync('src/i18n')
      .filter((name) => name.endsWith('.json'))
      .map((name) => [
        name.slice(0, -5),
        JSON.parse(readFileSync(join('src/i18n', name), 'utf8')).offline,
      ]),
  );
  const template = readFileSync('scripts/offline.html', 'utf8');
  writeFileSync(
    join(DIST, 'offline.html'),
    template.replace(/\/\*WORDS\*\/\s*\{\}/, JSON.stringify(words)),
  );
}

function copyDocs() {
  mkdirSync(join(DIST, 'swagger'), { recursive: true });
  for (const name of ['swagger-ui-bundle.js', 'swagger-ui.css', 'favicon-32x32.png']) {
    copyFileSync(join('node_modules/swagger-ui-dist', name), join(DIST, 'swagger', name));
  }
}

function* files(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* files(path);
    else yield path;
  }
}

function compressAll() {
  for (const path of files(DIST)) {
    if (!/\.(js|css|html|svg|webmanifest)$/.test(path)) continue;
    const content = readFileSync(path);
    const quality = { [constants.BROTLI_PARAM_QUALITY]: 11 };
    writeFileSync(`${path}.br`, brotliCompressSync(content, { params: quality }));
    writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
  }
}

function checkSizes() {
  const manifest = JSON.parse(readFileSync(join(DIST, '.vite/manifest.json'), 'utf8'));
  const sent = (file) => {
    const path = join(DIST, file);
    return statSync(/\.(js|css|html)$/.test(file) ? `${path}.br` : path).size;
  };
  const needed = (keys) => {
    const found = new Set();
    const visit = (key) => {
      const chunk = manifest[key];
      if (found.has(chunk.file)) return;
      found.add(chunk.file);
      (chunk.css ?? []).forEach((file) => found.add(file));
      (chunk.imports ?? []).forEach(visit);
    };
    keys.forEach(visit);
    return [...found];
  };
  const font = Object.values(manifest).find(({ file }) => /latin-wght.*\.woff2$/.test(file)).file;
  let over = false;
  for (const [view, parts] of Object.entries(VIEWS)) {
    const all = ['index.html', ...needed(['index.html', 'src/i18n/en.json', ...parts]), font];
    const total = all.reduce((sum, file) => sum + sent(file), 0);
    console.log(`${view}: ${(total / 1000).toFixed(1)} kB over the wire`);
    over ||= total > BUDGET;
  }
  if (over) {
    console.error(`A view is over its budget of ${BUDGET / 1000} kB.`);
    process.exit(1);
  }
}

writeOfflinePage();
copyDocs();
compressAll();
checkSizes();
