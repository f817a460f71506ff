"""Where others reach this server: for links, QR codes and what `serve` says at its start."""

from __future__ import annotations

import socket

from seamless_server.settings import Settings

_EVERYWHERE = frozenset({"0.0.0.0", "::", ""})


def lan_address() -> str | None:
    """This machine's address in its network; `None` without one. Nothing is sent for it."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            # Only asks the routing table which interface would be taken (RFC 5737 address).
            probe.connect(("192.0.2.1", 9))
            found = str(probe.getsockname()[0])
    except OSError:
        return None
    return None if found.startswith("127.") else found


def _url(scheme: str, host: str, port: int | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}.get(scheme)
    return f"{scheme}://{shown}" if port in (None, usual) else f"{scheme}://{shown}:{port}"


def address_of(settings: Settings, scheme: str, port: int | None) -> str | None:
    """The address for people: the public one, else that in the network; `None` if only this machine
    reaches the server, or nothing is known."""
    if settings.public_url is not None:
        return settings.public_url
    if settings.host in _EVERYWHERE:
        host = lan_address()
        return None if host is None else _url(scheme, host, port)
    loopback = settings.host.startswith("127.") or settings.host in ("::1", "localhost")
    return None if loopback else _url(scheme, settings.host, port)


def local_address(settings: Settings, scheme: str, port: int) -> str:
    """The address on this machine."""
    host = "localhost" if settings.host in _EVERYWHERE else settings.host
    return _url(scheme, host, port)
