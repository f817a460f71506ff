/** Tests get a server that all share, servers of their own, and pages with a fake microphone. */
import { AxeBuilder } from '@axe-core/playwright';
import { test as base, expect } from '@playwright/test';
import type { BrowserContextOptions, Page } from '@playwright/test';
import { Server } from './server';
import type { Options } from './server';

interface TestFixtures {
  /** Opens a page of its own browser context: another person. */
  visit: (address?: string, options?: BrowserContextOptions) => Promise<Page>;
  startServer: (options?: Options) => Promise<Server>;
  /** Fails on anything that axe finds (WCAG 2.2 A and AA, and its best practices). */
  accessible: (page: Page) => Promise<void>;
}

export const test = base.extend<TestFixtures, { server: Server }>({
  server: [
    // Playwright wants a destructured argument even where there is nothing to take.
    // eslint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const server = await Server.start();
      await use(server);
      await server.stop();
    },
    { scope: 'worker' },
  ],

  visit: async ({ browser, server }, use, info) => {
    const failures: string[] = [];
    const contexts: { close: () => Promise<void> }[] = [];
    await use(async (address = '', options = {}) => {
      const context = await browser.newContext({ locale: 'en-GB', ...options });
      contexts.push(context);
      const page = await context.newPage();
      page.on('pageerror', (error) => failures.push(error.message));
      page.on('dialog', (dialog) => failures.push(`a dialog: ${dialog.message()}`));
      await page.goto(new URL(address, server.url).toString());
      return page;
    });
    for (const context of contexts) await context.close();
    if (info.status === info.expectedStatus) expect(failures).toEqual([]);
  },

  // eslint-disable-next-line no-empty-pattern
  startServer: async ({}, use) => {
    const servers: Server[] = [];
    await use(async (options) => {
      const server = await Server.start(options);
      servers.push(server);
      return server;
    });
    for (const server of servers) await server.stop();
  },

  // eslint-disable-next-line no-empty-pattern
  accessible: async ({}, use) => {
    await use(async (page) => {
      // Colours in the middle of a fade are nobody's contrast.
      await page.waitForTimeout(400);
      const { violations } = await new AxeBuilder({ page }).analyze();
      const found = violations.map(({ id, nodes }) => ({
        id,
        where: nodes.map((node) => node.html.slice(0, 160)),
      }));
      expect(found).toEqual([]);
    });
  },
});

export { expect };
