/** Who this browser tab is towards the server: it survives a reload, not a new tab. */
// @ts-nocheck


const KEY = 'seamless.tab';

export interface TabIdentity {
  clientID: string;
  /** Known to this tab and the server alone: nobody else can take the tab's place. */
  resumeKey: string;
}

function fresh(): TabIdentity {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return { clientID: hex.slice(0, 16), resumeKey: hex.slice(16) };
}

function saved(key: string): TabIdentity | null {
  const [clientID, resumeKey] = (sessionStorage.getItem(key) ?? '').split(' ');
  return clientID && resumeKey ? { clientID, resumeKey } : null;
}

/** Holds a lock of this name while the tab lives; false when another tab has it. */
async function claim(id: string): Promise<boolean> {
  // Not there on insecure origins; then a duplicated tab is rare enough to live with.
  const locks = navigator.locks as LockManager | undefined;
  if (!locks) return true;
  return new Promise((resolve) => {
    void locks.request(`seamless.${id}`, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock === null ? undefined : new Promise(() => undefined);
    });
  });
}

/**
 * Duplicating a tab copies its session storage: the copy must not take over the original's place,
 * so the identity is locked while in use.
 */
export async function tabIdentity(): Promise<TabIdentity> {
  const known = saved(KEY);
  if (known && (await claim(known.clientID))) return known;
  const identity = fresh();
  sessionStorage.setItem(KEY, `${identity.clientID} ${identity.resumeKey}`);
  await claim(identity.clientID);
  return identity;
}

/** Leaving a room for good: the next visit is somebody new. */
export function forgetTab(): void {
  sessionStorage.removeItem(KEY);
}

const TOKEN = 'seamless.token';

/** The token came by the address or was typed: it stays in this tab, and leaves the address. */
export function rememberToken(token: string): void {
  sessionStorage.setItem(TOKEN, token);
  const url = new URL(window.location.href);
  url.searchParams.delete('token');
  url.hash = '';
  window.history.replaceState(null, '', url);
}

export const rememberedToken = (): string | null => sessionStorage.getItem(TOKEN);
