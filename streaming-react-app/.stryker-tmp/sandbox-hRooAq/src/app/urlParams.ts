/** What the address asks for. The first six are those of the original demo's page. */
// @ts-nocheck

import type { Role } from '../wire/messages';

export interface UrlParams {
  animateTextDisplay: boolean;
  autoJoin: boolean;
  debug: boolean;
  enableServerLock: boolean;
  roomID: string | null;
  serverURL: string | null;
  role: Role | null;
  lang: string | null;
  view: 'page' | 'overlay' | 'presenter' | 'conversation';
  /** Interface language. */
  ui: string | null;
  /** For servers that ask for one. */
  token: string | null;
  overlay: OverlayParams;
}

export interface OverlayParams {
  lines: number;
  size: number;
  position: 'top' | 'middle' | 'bottom';
  align: 'left' | 'center' | 'right';
  color: string;
  background: string;
  names: boolean;
  /** Says that a demonstration model translates. */
  notice: boolean;
}

export const ROOM_CODE = /^[A-Za-z0-9_-]{1,64}$/;
const LANGUAGE_CODE = /^[a-z]{3}(_[A-Z][a-z]{3})?$/;
const HEX_COLOUR = /^#?([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})$/i;

function flag(query: URLSearchParams, name: string, fallback: boolean): boolean {
  const value = query.get(name);
  if (value === null) return fallback;
  return !['false', '0', 'no', 'off'].includes(value.toLowerCase());
}

function oneOf<T extends string>(value: string | null, allowed: readonly T[], fallback: T): T {
  return allowed.find((item) => item === value) ?? fallback;
}

function matching(value: string | null, pattern: RegExp): string | null {
  return value !== null && pattern.test(value) ? value : null;
}

function within(value: string | null, low: number, high: number, fallback: number): number {
  const number = value === null || value.trim() === '' ? Number.NaN : Number(value);
  return Number.isFinite(number) ? Math.min(high, Math.max(low, number)) : fallback;
}

function colour(value: string | null, fallback: string): string {
  if (value === 'transparent') return value;
  return value !== null && HEX_COLOUR.test(value) ? `#${value.replace('#', '')}` : fallback;
}

function serverAddress(value: string | null): string | null {
  if (value === null || value === '') return null;
  const withScheme = /^[a-z]+:\/\//i.test(value) ? value : `http://${value}`;
  if (!URL.canParse(withScheme)) return null;
  return /^https?:$/.test(new URL(withScheme).protocol) ? withScheme : null;
}

/**
 * Reads a query string; whatever does not fit falls back to its default. A token may stand behind the
 * `#`, where it reaches no server's log.
 */
export function readUrlParams(search: string, hash = ''): UrlParams {
  const query = new URLSearchParams(search);
  return {
    animateTextDisplay: flag(query, 'animateTextDisplay', true),
    autoJoin: flag(query, 'autoJoin', false),
    debug: flag(query, 'debug', false),
    enableServerLock: flag(query, 'enableServerLock', false),
    roomID: matching(query.get('roomID'), ROOM_CODE),
    serverURL: serverAddress(query.get('serverURL')),
    role: matching(query.get('role'), /^(speaker|listener)$/) as Role | null,
    lang: matching(query.get('lang'), LANGUAGE_CODE),
    view: oneOf(query.get('view'), ['page', 'overlay', 'presenter', 'conversation'], 'page'),
    ui: matching(query.get('ui'), /^[a-z]{2}$/),
    token: new URLSearchParams(hash.replace(/^#/, '')).get('token') || query.get('token') || null,
    overlay: {
      lines: Math.round(within(query.get('lines'), 1, 12, 2)),
      size: within(query.get('size'), 12, 200, 44),
      position: oneOf(query.get('position'), ['top', 'middle', 'bottom'], 'bottom'),
      align: oneOf(query.get('align'), ['left', 'center', 'right'], 'center'),
      color: colour(query.get('color'), '#ffffff'),
      background: colour(query.get('background'), '#000000b3'),
      names: flag(query, 'names', true),
      notice: flag(query, 'notice', true),
    },
  };
}

export interface LinkTarget {
  roomID: string;
  role?: Role;
  lang?: string | null;
  view?: 'overlay' | 'presenter';
  /** Of listeners only: this page's own token stays here. */
  token?: string | null;
}

/**
 * The address that brings somebody into a room: of the server as others reach it where that is known,
 * else made from the address of this page. A listener's is short enough to be read out.
 */
export function roomLink(
  pageUrl: string,
  serverAddress: string | null,
  target: LinkTarget,
): string {
  const serverURL = new URL(pageUrl).searchParams.get('serverURL');
  const url = new URL(serverAddress ?? new URL('.', pageUrl));
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  url.search = '';
  url.hash = target.token ? `token=${target.token}` : '';
  if (!target.view && !target.role && !target.lang && !serverURL) {
    return new URL(`r/${target.roomID}${url.hash}`, url).toString();
  }
  url.searchParams.set('roomID', target.roomID);
  if (target.view) url.searchParams.set('view', target.view);
  if (target.role) url.searchParams.set('role', target.role);
  if (target.lang) url.searchParams.set('lang', target.lang);
  if (serverURL) url.searchParams.set('serverURL', serverURL);
  return url.toString();
}
