// @ts-nocheck
import '@fontsource-variable/figtree/wght.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app/App';
import { openClient } from './app/open';
import { readUrlParams } from './app/urlParams';
import { startI18n } from './i18n';
import { keepInstalled } from './app/install';
import './styles/ui.css';
import './styles/page.css';
import './styles/captions.css';
import './styles/panels.css';

/** Set by the server in the page that it gives for a path that it does not have. */
const missing = document.querySelector('meta[name="seamless-missing"]') !== null;

/** A page that is missing files is loaded anew, but not over and over. */
const RELOAD_AGAIN_MS = 60_000;

// The server has a newer page, and the files of this one are gone.
window.addEventListener('vite:preloadError', () => {
  const last = Number(sessionStorage.getItem('seamless.reloaded') ?? 0);
  if (!navigator.onLine || Date.now() - last < RELOAD_AGAIN_MS) return;
  sessionStorage.setItem('seamless.reloaded', String(Date.now()));
  window.location.reload();
});

async function start(): Promise<void> {
  const params = readUrlParams(window.location.search, window.location.hash);
  const [client] = await Promise.all([openClient(params, !missing), startI18n(params.ui)]);
  const root = document.getElementById('root');
  if (!root) return;
  createRoot(root).render(
    <StrictMode>
      <App params={params} missing={missing} client={client} />
    </StrictMode>,
  );
  keepInstalled();
}

void start();
