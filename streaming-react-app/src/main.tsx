import '@fontsource-variable/atkinson-hyperlegible-next/wght.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app/App';
import { openClients } from './app/open';
import { readUrlParams } from './app/urlParams';
import { startI18n } from './i18n';
import './styles/page.css';
import './styles/captions.css';
import './styles/panels.css';

async function start(): Promise<void> {
  const params = readUrlParams(window.location.search);
  const [clients] = await Promise.all([openClients(params), startI18n(params.ui)]);
  const root = document.getElementById('root');
  if (!root) return;
  createRoot(root).render(
    <StrictMode>
      <App params={params} {...clients} />
    </StrictMode>,
  );
}

void start();
