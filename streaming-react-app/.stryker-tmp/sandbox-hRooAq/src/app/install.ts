/** Lets browsers offer to install the page, and explain when the server is away. */
// @ts-nocheck

export function keepInstalled(): void {
  // Only on secure origins, and not where the page is being worked on.
  if (!('serviceWorker' in navigator) || import.meta.env.DEV) return;
  navigator.serviceWorker.register(new URL('sw.js', document.baseURI)).catch(() => undefined);
}
