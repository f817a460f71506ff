// @ts-nocheck
import { Suspense, lazy, useEffect, useLayoutEffect } from 'react';
import HomeView from '../views/HomeView';
import { applyLook } from '../theme/look';
import { useLook } from '../theme/useLook';
import { useStore } from '../state/store';
import { ClientProvider } from './client';
import type { Client } from './client';
import type { UrlParams } from './urlParams';

const RoomView = lazy(() => import('../views/RoomView'));
const OverlayView = lazy(() => import('../views/OverlayView'));
const PresenterView = lazy(() => import('../views/PresenterView'));
const ConversationView = lazy(() => import('../views/ConversationView'));
const MissingView = lazy(() => import('../views/MissingView'));

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
    void import('../views/RoomView');
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
      <Suspense>{view()}</Suspense>
    </ClientProvider>
  );
}
