/** The page below a path of another server: Debian's nginx with the rules of docs/proxies.md. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from './support/fixtures';
import { REPO, TMP } from './support/paths';
import { reads, speak } from './support/people';
import { freePort } from './support/server';

const NGINX = ['nginx', '/usr/sbin/nginx'].find((one) => !spawnSync(one, ['-v']).error);

/** The documented rules, for this port and this server, without TLS. */
function rules(folder: string, port: number, server: number): string {
  const documented = /## nginx\n+```\n(.*?)```/s.exec(
    readFileSync(`${REPO}/docs/proxies.md`, 'utf8'),
  )?.[1];
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder};`)
    .join(' ');
  return `daemon off; master_process off; pid ${folder}/pid; events {}
    http { access_log off; include /etc/nginx/mime.types; ${temporary} ${(documented ?? '')
      .replace('listen 443 ssl', `listen 127.0.0.1:${String(port)}`)
      .replace('server_name talk.example.org;', '')
      .replace('127.0.0.1:8000', `127.0.0.1:${String(server)}`)} }`;
}

async function startNginx(server: number): Promise<{ process: ChildProcess; url: string }> {
  const folder = mkdtempSync(join(TMP, 'nginx-'));
  const port = await freePort();
  writeFileSync(`${folder}/nginx.conf`, rules(folder, port, server));
  const process = spawn(NGINX ?? '', ['-c', `${folder}/nginx.conf`, '-e', `${folder}/error.log`]);
  const url = `http://127.0.0.1:${String(port)}/translate/`;
  await expect
    .poll(() =>
      fetch(`${url}healthz`).then(
        (answer) => answer.status,
        () => 0,
      ),
    )
    .toBe(200);
  return { process, url };
}

test('below a path people speak, listen, find the documentation and their own 404', async ({
  visit,
  server,
}) => {
  test.skip(NGINX === undefined, 'nginx is not installed');
  const { process, url } = await startNginx(server.port);
  try {
    const speaker = await visit(url);
    const outside: string[] = [];
    speaker.on('request', (request) => {
      if (/^(http|ws)/.test(request.url()) && !request.url().includes('/translate/')) {
        outside.push(request.url());
      }
    });
    const room = await speak(speaker);
    await speaker.getByRole('button', { name: 'Invite' }).first().click();
    const link = await speaker.getByLabel('Link', { exact: true }).inputValue();
    expect(link).toContain(`/translate/r/${room}`);

    const listener = await visit(link.replace(/^https?:\/\/[^/]+/, new URL(url).origin));
    await expect(listener).toHaveURL(/\/translate\//);
    await listener.getByRole('button', { name: /^Join/ }).click();
    await reads(listener, 'eng');

    await listener.goto(`${url}docs`);
    await expect(listener.getByText('/api/languages')).toBeVisible();
    const lost = await listener.goto(`${url}no-such-page`);
    expect(lost?.status()).toBe(404);
    await listener.getByRole('link', { name: 'To the start page' }).click();
    await expect(listener).toHaveURL(url);
    expect(outside).toEqual([]);
  } finally {
    process.kill();
  }
});
