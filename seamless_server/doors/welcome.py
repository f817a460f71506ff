"""What `serve` says when it is ready: where people find it, and what it can do."""

from __future__ import annotations

import io
from collections.abc import Sequence

import segno

from seamless_server.doors.address import address_of, local_address
from seamless_server.doors.catalogue import Capability
from seamless_server.languages import lookup
from seamless_server.settings import Settings

_MOST_NAMES = 6


def welcome(
    settings: Settings, scheme: str, port: int, models: Sequence[Capability], *, qr: bool
) -> str:
    """Lines for a terminal.

    Args:
        settings: of the server.
        scheme: `http` or `https`.
        port: that it listens on.
        models: that are loaded.
        qr: whether to draw a QR code of the address for others.
    """
    shared = address_of(settings, scheme, port)
    lines = [f"On this machine   {local_address(settings, scheme, port)}"]
    if shared is not None:
        lines.append(f"For others        {shared}")
    else:
        lines += ["For others        not reachable yet: start with --host 0.0.0.0"]
    if shared is not None and not shared.startswith("https:"):
        lines += [
            "",
            "Others can listen, but browsers give them a microphone only over https:",
            "--ssl-certfile and --ssl-keyfile, or a proxy and SEAMLESS_PUBLIC_URL.",
        ]
    for model in models:
        lines += ["", f"{model.name}", *_abilities(model)]
    width = max(len(line) for line in lines)
    box = [
        f"  ╭{'─' * (width + 4)}╮",
        *(f"  │  {line.ljust(width)}  │" for line in lines),
        f"  ╰{'─' * (width + 4)}╯",
    ]
    code = qr_code(shared) if qr and shared is not None else ""
    address = shared or local_address(settings, scheme, port)
    return code + "\n" + "\n".join(box) + f"\n\n  Open {address}\n"


def _abilities(model: Capability) -> list[str]:
    found = [f"  hears   {_names(model.sourceLangs)}", f"  writes  {_names(model.targetLangs)}"]
    if model.speechLangs:
        found.append(f"  speaks  {_names(model.speechLangs)}")
    if model.demonstration:
        found.append("  a demonstration: it knows a phrasebook, anything else comes out wrong")
    return found


def _names(codes: Sequence[str]) -> str:
    if len(codes) > _MOST_NAMES:
        return f"{len(codes)} languages"
    return ", ".join(lookup(code).name for code in codes) or "nothing"


def qr_code(url: str) -> str:
    """An address as blocks for a terminal."""
    drawn = io.StringIO()
    segno.make(url, error="l", micro=False).terminal(out=drawn, compact=True, border=2)
    return "\n" + "".join(f"  {line}\n" for line in drawn.getvalue().splitlines())
