"""Addresses of servers, and why one cannot be reached."""

from __future__ import annotations

import asyncio
import socket
import ssl
from urllib.parse import urlsplit

import aiohttp

from seamless_server.errors import UsageError


def server_url(text: str) -> str:
    """The address of a server as people write it; without a scheme it is http.

    Raises:
        UsageError: it is no address.
    """
    url = text.strip()
    if "://" not in url:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        parts.port  # noqa: B018  # raises when it is no number
        (parts.hostname or "").encode("idna")  # raises when it has an empty or endless label
    except ValueError:
        usable = False
    if not usable or any(letter.isspace() for letter in url):
        raise UsageError(f"'{text}' is no address of a server, such as http://localhost:8000")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


async def why_not(url: str, socket_path: str, *, verify_tls: bool) -> str:
    """One sentence, without its full stop, about a server that could not be joined."""
    host = urlsplit(url).hostname
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.get(
                f"{urlsplit(url).scheme}://{urlsplit(url).netloc}{socket_path}/",
                params={"EIO": "4", "transport": "polling"},
                ssl=verify_tls,
            ) as answer,
        ):
            if answer.status == 404:
                return "something answers there, but no Seamless Server (404): check the path"
            if answer.status in (401, 403):
                return f"it refuses this client ({answer.status}): a token may be needed"
            if answer.status in (502, 503, 504):
                return f"the proxy there says that the server is down ({answer.status})"
            if answer.status >= 400:
                return f"it answered with the status {answer.status}"
            return (
                "it speaks HTTP, but takes no websocket: a proxy in front may have to let it pass"
            )
    except aiohttp.ClientConnectorCertificateError:
        return "its certificate is not trusted (--insecure accepts a home-made one)"
    except (aiohttp.ClientConnectorSSLError, ssl.SSLError):
        return "it does not speak TLS there: try http:// instead of https://"
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, socket.gaierror):
            return f"there is no host named {host}"
        if isinstance(error.os_error, ConnectionRefusedError):
            return "nothing listens there (connection refused): is the server running?"
        return f"the network says: {error.os_error.strerror or error.os_error}"
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientResponseError):
        return "what answers there speaks no HTTP: try https:// instead of http://"
    except asyncio.TimeoutError:
        return "it does not answer"
    except (aiohttp.ClientError, ValueError, UnicodeError):
        return "it cannot be reached"
