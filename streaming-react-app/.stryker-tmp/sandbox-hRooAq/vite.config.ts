// @ts-nocheck
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

/** In development the page is served by Vite and everything else by the Python server. */
const server = process.env['SEAMLESS_SERVER'] ?? 'http://127.0.0.1:8000';

export default defineConfig({
  // Relative addresses, so that the page also works below a path of a proxy.
  base: './',
  plugins: [react()],
  build: { target: 'es2022', manifest: true, sourcemap: false, modulePreload: { polyfill: false } },
  worker: { format: 'es' },
  server: {
    proxy: {
      '/ws': { target: server, ws: true },
      '/api': server,
      '/readyz': server,
      '/healthz': server,
    },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    restoreMocks: true,
  },
});
