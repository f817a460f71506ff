// @ts-nocheck
import { defineConfig } from '@playwright/test';
import { BROWSER_FLAGS, CHROMIUM, MICROPHONE, fakeMicrophone } from './e2e/support/paths';

export default defineConfig({
  testDir: 'e2e',
  testMatch: '*.spec.ts',
  globalSetup: './e2e/support/setup.ts',
  // One server and one browser: two cores are shared with a model.
  workers: 1,
  timeout: 90_000,
  expect: { timeout: 15_000 },
  forbidOnly: true,
  reporter: 'list',
  use: {
    browserName: 'chromium',
    launchOptions: {
      executablePath: CHROMIUM,
      args: [...BROWSER_FLAGS, ...fakeMicrophone(MICROPHONE)],
    },
    viewport: { width: 1280, height: 760 },
    trace: 'off',
  },
});
