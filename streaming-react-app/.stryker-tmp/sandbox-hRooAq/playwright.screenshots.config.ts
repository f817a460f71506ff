// @ts-nocheck
import { defineConfig } from '@playwright/test';
import tests from './playwright.config';
import { BROWSER_FLAGS, CHROMIUM, fakeMicrophone } from './e2e/support/paths';
import { TALK } from './e2e/pictures/talk';

/** Pictures for README and docs: `npm run screenshots`. */
export default defineConfig({
  ...tests,
  testDir: 'e2e/pictures',
  testMatch: '*.pictures.ts',
  globalSetup: './e2e/pictures/setup.ts',
  use: {
    ...tests.use,
    launchOptions: { executablePath: CHROMIUM, args: [...BROWSER_FLAGS, ...fakeMicrophone(TALK)] },
  },
});
