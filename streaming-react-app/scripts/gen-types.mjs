// Writes src/wire/types.gen.ts from the server's own schemas; with --check it only compares, and
// fails when the file is stale.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile } from 'json-schema-to-typescript';

const app = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const repo = resolve(app, '..');
const target = resolve(app, 'src/wire/types.gen.ts');
const venv = resolve(repo, '.venv/bin/python');
const python = process.env.PYTHON ?? (existsSync(venv) ? venv : 'python3');

const schema = JSON.parse(
  execFileSync(python, ['-m', 'seamless_server.doors.socketio.schema'], {
    cwd: repo,
    encoding: 'utf8',
  }),
);

/** Fields carry titles made from their names: they would all become types of their own. */
function withoutFieldTitles(node) {
  if (Array.isArray(node)) return node.map(withoutFieldTitles);
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node).filter(
    ([key, value]) => !(key === 'title' && typeof value === 'string'),
  );
  return Object.fromEntries(entries.map(([key, value]) => [key, withoutFieldTitles(value)]));
}

// Clients may leave out what has a default; the server always sends it.
const inbound = new Set(
  Object.values(schema['x-client-events']).flatMap((all) =>
    all.flatMap((a) => a.type.split(' | ')),
  ),
);
const definitions = withoutFieldTitles(schema.$defs);
for (const [name, definition] of Object.entries(definitions)) {
  if (!inbound.has(name)) definition.required = Object.keys(definition.properties ?? {});
}
const types = await compile(
  {
    title: 'Wire',
    type: 'object',
    additionalProperties: false,
    properties: {},
    $defs: definitions,
  },
  'Wire',
  {
    additionalProperties: false,
    bannerComment: '// Made by `npm run gen-types` from the schemas of the server. Do not edit.',
    unreachableDefinitions: true,
    ignoreMinAndMaxItems: true,
    style: { singleQuote: true, printWidth: 100 },
  },
);

const events = Object.entries(schema['x-server-events'])
  .map(([event, payload]) => `  ${event}: ${payload ?? 'unknown'};`)
  .join('\n');
const readable = types
  .replace(/export interface Wire \{\s*\}\n/, '')
  .replace(/( \*\n)? \* This interface was referenced by .*\n.*via the `definition`.*\n/g, '')
  .replace(/\/\*\*\n \*\/\n/g, '');
const text = `${readable}
/** What the server sends, by event. */
export interface ServerPayloads {
${events}
}
`;

if (!process.argv.includes('--check')) {
  writeFileSync(target, text);
} else if (!existsSync(target) || readFileSync(target, 'utf8') !== text) {
  console.error('src/wire/types.gen.ts does not match the server: run `npm run gen-types`.');
  process.exit(1);
}
