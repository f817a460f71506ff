"""Serves the built page at `/`, or says how to build it."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable
from html import escape
from pathlib import Path
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from seamless_server.doors.address import address_of
from seamless_server.settings import Settings

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

_CODINGS = {"br": ".br", "gzip": ".gz"}
"""What the build writes beside each file, best first."""

_FOREVER = "public, max-age=31536000, immutable"
_ASK = "no-cache"

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

# Types that differ between machines, as `mimetypes` reads their files.
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("font/woff2", ".woff2")
mimetypes.add_type("application/manifest+json", ".webmanifest")


def page_folder(settings: Settings) -> Path:
    """Where the built page is, or would be."""
    if settings.page_dir is not None:
        return settings.page_dir
    package = Path(__file__).resolve().parent.parent
    packaged = package / "page"
    return packaged if packaged.is_dir() else package.parent / "streaming-react-app" / "dist"


def accepted_codings(header: str) -> set[str]:
    """Content codings that an `Accept-Encoding` header allows (RFC 9110, 12.5.3)."""
    found = set()
    for part in header.lower().split(","):
        coding, *parameters = (piece.strip() for piece in part.split(";"))
        weights = [p[2:] for p in parameters if p.startswith("q=")]
        if coding and not any(weight.strip("0.") == "" for weight in weights):
            found.add(coding)
    return found


def prepared(path: Path, accepted: Iterable[str]) -> tuple[Path, str | None]:
    """The file to send for `path`, and its coding: compressed where the build made that."""
    for coding, suffix in _CODINGS.items():
        smaller = path.with_name(path.name + suffix)
        if coding in accepted and smaller.is_file():
            return smaller, coding
    return path, None


def _file(path: Path, request: Request, *, hashed: bool) -> Response:
    accepted = accepted_codings(request.headers.get("accept-encoding", ""))
    sent, coding = prepared(path, accepted)
    headers = {**_HEADERS, "Cache-Control": _FOREVER if hashed else _ASK, "Vary": "Accept-Encoding"}
    if coding is not None:
        headers["Content-Encoding"] = coding
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    response = FileResponse(sent, headers=headers, media_type=kind, stat_result=sent.stat())
    known = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
    if response.headers["etag"] in known:
        kept = {"ETag": response.headers["etag"], **headers}
        return Response(status_code=304, headers=kept)
    return response


def add_page(app: FastAPI, settings: Settings) -> None:
    """Adds `/`, the page's files, `/r/CODE` and `/docs`.

    Files are looked up at each request, so a build needs no restart.
    """
    folder = page_folder(settings)

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def index(request: Request) -> Response:
        page = folder / "index.html"
        if page.is_file():
            return _file(page, request, hashed=False)
        url = str(request.base_url).rstrip("/")
        return HTMLResponse(_MISSING.format(folder=escape(str(folder)), url=escape(url)))

    @app.get("/r/{code}", include_in_schema=False)
    def room(code: str, request: Request) -> Response:
        """A room by its short link; what follows a question mark goes along."""
        more = f"&{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"../?roomID={quote(code, safe='')}{more}", status_code=307)

    @app.get("/api/address", include_in_schema=False)
    def address(request: Request) -> dict[str, str | None]:
        """Where others reach this server, as far as it knows."""
        return {"url": address_of(settings, request.url.scheme, request.url.port)}

    @app.get("/docs", include_in_schema=False)
    def docs(request: Request) -> Response:
        root = request.scope.get("root_path", "").rstrip("/")
        title, openapi = app.title, f"{root}/openapi.json"
        if not (folder / "swagger" / "swagger-ui-bundle.js").is_file():
            return get_swagger_ui_html(openapi_url=openapi, title=title)
        return get_swagger_ui_html(
            openapi_url=openapi,
            title=title,
            swagger_js_url=f"{root}/swagger/swagger-ui-bundle.js",
            swagger_css_url=f"{root}/swagger/swagger-ui.css",
            swagger_favicon_url=f"{root}/swagger/favicon-32x32.png",
        )

    @app.api_route("/{path:path}", methods=["GET", "HEAD"], include_in_schema=False)
    def files(path: str, request: Request) -> Response:
        if methods := app.openapi()["paths"].get(f"/{path}"):  # of other methods than this one
            raise HTTPException(405, headers={"Allow": ", ".join(methods).upper()})
        hidden = any(part.startswith(".") for part in Path(path).parts)
        try:
            wanted = (folder / path).resolve()
            if not hidden and wanted.is_relative_to(folder.resolve()) and wanted.is_file():
                return _file(wanted, request, hashed=path.startswith("assets/"))
        except (OSError, ValueError):  # no file can have such a name
            pass
        return _not_found(folder, request)


def _not_found(folder: Path, request: Request) -> Response:
    """For people the page, which says it in their language; for programs one sentence."""
    page = folder / "index.html"
    if "text/html" not in request.headers.get("accept", "") or not page.is_file():
        return Response("Not Found", status_code=404, media_type="text/plain", headers=_HEADERS)
    root = request.scope.get("root_path", "").rstrip("/")
    head = f'<head><base href="{escape(root)}/"><meta name="seamless-missing">'
    text = page.read_text(encoding="utf-8").replace("<head>", head, 1)
    return HTMLResponse(text, status_code=404, headers={**_HEADERS, "Cache-Control": _ASK})
