import { useEffect, useLayoutEffect } from 'react';
import HomeView from '../views/HomeView';
import { applyLook } from '../theme/look';
import { useLook } from '../theme/useLook';
import { useStore } from '../state/store';
import { ClientProvider } from './client';
import { ErrorBoundary } from './ErrorBoundary';
import { later } from './later';
import type { Client } from './client';
import type { UrlParams } from './urlParams';

const RoomView = later(() => import('../views/RoomView'), { view: true });
const OverlayView = later(() => import('../views/OverlayView'), { view: true });
const PresenterView = later(() => import('../views/PresenterView'), { view: true });
const ConversationView = later(() => import('../views/ConversationView'), { view: true });
const MissingView = later(() => import('../views/MissingView'), { view: true });

interface Props {
  params: UrlParams;
  client: Client;
  /** The address leads nowhere. */
  missing: boolean;
}

export function App({ params, client, missing }: Props) {
  const look = useLook();
  useLayoutEffect(() => applyLook(look), [look]);
  useEffect(() => {
    // While somebody looks at the start page, the room comes along.
    if (params.view !== 'page' || missing) return;
    RoomView.preload();
  }, [params.view, missing]);
  const inside = useStore(client.room.view, (view) => view.phase === 'inside');
  const view = () => {
    if (missing) return <MissingView />;
    if (params.view === 'overlay') return <OverlayView overlay={params.overlay} />;
    if (params.view === 'presenter') return <PresenterView animate={params.animateTextDisplay} />;
    if (params.view === 'conversation') return <ConversationView />;
    return inside ? <RoomView params={params} /> : <HomeView params={params} />;
  };
  return (
    <ClientProvider value={client}>
      <ErrorBoundary>{view()}</ErrorBoundary>
    </ClientProvider>
  );
}
