"""Serves the built page at `/`, or says how to build it."""

from __future__ import annotations

import asyncio
from html import escape
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

from seamless_server.settings import Settings

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

_MISSING = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Seamless Server</title>
<style>body{{font:16px/1.6 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;
color-scheme:light dark}}code{{background:#8882;padding:.1em .35em;border-radius:4px}}</style>
<h1>The server runs</h1>
<p>Its page is not built yet. Run <code>make serve</code>, which builds it, or build it by hand and
load this page again:</p>
<pre><code>cd streaming-react-app
npm ci
npm run build</code></pre>
<p>It is looked for in <code>{folder}</code>.</p>
<p>Meanwhile: <a href="docs">REST interface</a>, <a href="readyz">state of the models</a>,
<a href="metrics">metrics</a>. Scripts can speak to <code>/ws/socket.io</code>, and
<code>seamless-server stream FILE --url {url}</code> translates a file.</p>
</html>"""


def page_folder(settings: Settings) -> Path:
    """Where the built page is, or would be."""
    if settings.page_dir is not None:
        return settings.page_dir
    package = Path(__file__).resolve().parent.parent
    packaged = package / "page"
    return packaged if packaged.is_dir() else package.parent / "streaming-react-app" / "dist"


class _PageFiles(StaticFiles):
    """The page's files; nothing is found while it is not built."""

    async def check_config(self) -> None:
        """Called before the first file is served."""
        if self.directory is None or not await asyncio.to_thread(Path(self.directory).is_dir):
            raise HTTPException(404)
        await super().check_config()


def add_page(app: FastAPI, settings: Settings) -> None:
    """Adds `/` and the page's files. Looked up at each request, so a build needs no restart."""
    folder = page_folder(settings)

    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        page = folder / "index.html"
        if page.is_file():
            # The page names its files by content; only itself must be asked for anew.
            return FileResponse(page, headers={**_HEADERS, "Cache-Control": "no-cache"})
        url = str(request.base_url).rstrip("/")
        return HTMLResponse(_MISSING.format(folder=escape(str(folder)), url=escape(url)))

    app.mount("/", _PageFiles(directory=folder, check_dir=False), name="page")
