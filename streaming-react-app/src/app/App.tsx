import CssBaseline from '@mui/material/CssBaseline';
import { ThemeProvider } from '@mui/material/styles';
import { Suspense, lazy, useEffect, useMemo } from 'react';
import HomeView from '../views/HomeView';
import { makeTheme } from '../theme/theme';
import { useLook } from '../theme/useLook';
import { useStore } from '../state/store';
import { ClientProvider } from './client';
import type { Client } from './client';
import type { UrlParams } from './urlParams';

const RoomView = lazy(() => import('../views/RoomView'));
const OverlayView = lazy(() => import('../views/OverlayView'));
const PresenterView = lazy(() => import('../views/PresenterView'));

interface Props {
  params: UrlParams;
  client: Client;
  /** For the presenter view: reads the original words. */
  original: Client | null;
}

export function App({ params, client, original }: Props) {
  const look = useLook();
  const theme = useMemo(() => makeTheme(look), [look]);
  useEffect(() => {
    // While somebody looks at the start page, the room comes along.
    if (params.view !== 'page') return;
    void import('../views/RoomView');
    void import('../components/SpeakPanel');
  }, [params.view]);
  const inside = useStore(client.room.view, (view) => view.phase === 'inside');
  const view = () => {
    if (params.view === 'overlay') return <OverlayView overlay={params.overlay} />;
    if (params.view === 'presenter' && original) {
      return <PresenterView original={original} animate={params.animateTextDisplay} />;
    }
    return inside ? <RoomView params={params} /> : <HomeView params={params} />;
  };
  return (
    <ThemeProvider theme={theme}>
      <CssBaseline />
      <ClientProvider value={client}>
        <Suspense>{view()}</Suspense>
      </ClientProvider>
    </ThemeProvider>
  );
}
