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
