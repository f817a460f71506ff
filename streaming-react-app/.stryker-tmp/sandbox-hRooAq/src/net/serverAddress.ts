/** Where the server is: the page's own, unless `serverURL` names another. */
// @ts-nocheck


export function serverBase(serverURL: string | null, pageUrl = document.baseURI): string {
  const base = new URL(serverURL ?? '.', pageUrl);
  base.search = '';
  base.hash = '';
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  return base.toString();
}

export function serverPath(base: string, path: string): string {
  return new URL(path.replace(/^\//, ''), base).toString();
}
