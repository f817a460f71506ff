/**
 * How long a listener's link takes on a slow phone network, and what it costs.
 *
 *   node scripts/measure-load.mjs http://127.0.0.1:8000/ [times]
 *
 * Chromium's throttling as "slow 4G" of Lighthouse: 1.6 Mbit/s down, 0.75 up, 150 ms there and back.
 * Usable is when the language can be chosen and captions can appear; nothing is cached.
 */
import { chromium } from '@playwright/test';
import { existsSync } from 'node:fs';

const [address = 'http://127.0.0.1:8000/', times = '5'] = process.argv.slice(2);
const executablePath = process.env.CHROMIUM ?? ['/usr/bin/chromium'].find(existsSync);
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const seconds = [];
let bytes = 0;
for (let i = 0; i < Number(times); i += 1) {
  const page = await (
    await browser.newContext({ viewport: { width: 390, height: 760 } })
  ).newPage();
  const network = await page.context().newCDPSession(page);
  await network.send('Network.enable');
  await network.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 150,
    downloadThroughput: (1.6 * 1024 * 1024) / 8,
    uploadThroughput: (0.75 * 1024 * 1024) / 8,
  });
  bytes = 0;
  network.on('Network.loadingFinished', ({ encodedDataLength }) => (bytes += encodedDataLength));
  const began = performance.now();
  await page.goto(new URL('?roomID=SLOW&autoJoin=true&role=listener&lang=deu', address).toString());
  await page.getByRole('log').waitFor();
  await page.locator('.listen-row .pick').waitFor();
  seconds.push((performance.now() - began) / 1000);
  await page.context().close();
}
await browser.close();
seconds.sort((a, b) => a - b);
const middle = seconds[Math.floor(seconds.length / 2)] ?? 0;
console.log(`${middle.toFixed(2)} s (median of ${times}), ${(bytes / 1000).toFixed(1)} kB`);
