import { defineConfig } from '@playwright/test';
import { BROWSER_FLAGS, CHROMIUM, MICROPHONE, fakeMicrophone } from './e2e/support/paths';

export default defineConfig({
  testDir: 'e2e',
  testMatch: '*.spec.ts',
  globalSetup: './e2e/support/setup.ts',
  // Each has a server and a browser of its own; most of a test is waiting for speech.
  workers: 2,
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
