import { useCallback, useEffect, useState } from 'react';
import { useStore } from '../state/store';
import type { Member } from '../wire/messages';
import { useClient } from './client';

interface Pages {
  members: Record<string, Member>;
  /** Where the next page begins; null after the last. */
  next: number | null;
}

export interface Everybody {
  members: Member[];
  total: number;
  /** Fetches those who follow; null when all are there. */
  more: (() => void) | null;
}

/** Everybody in the room. Of a crowd the room's state names a few: the others come page by page. */
export function useMembers(): Everybody {
  const { room, connection } = useClient();
  const state = useStore(room.view, (view) => view.state);
  const complete = state?.complete !== false;
  const [pages, setPages] = useState<Pages>({ members: {}, next: 0 });
  const fetchFrom = useCallback(
    (after: number) => {
      void connection.members(after).then(
        (answer) => {
          if (!('members' in answer)) return;
          const { members, next } = answer;
          setPages((before) => ({ members: { ...before.members, ...members }, next }));
        },
        () => undefined, // away: the button is still there
      );
    },
    [connection],
  );
  useEffect(() => {
    if (!complete) fetchFrom(0);
  }, [complete, fetchFrom]);

  const named = state?.members ?? {};
  if (complete)
    return { members: Object.values(named), total: Object.keys(named).length, more: null };
  const { next } = pages;
  return {
    members: Object.values({ ...pages.members, ...named }),
    total: state.counts.members,
    more: next === null ? null : () => fetchFrom(next),
  };
}
