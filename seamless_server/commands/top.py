"""`seamless-server top`: engines, fronts and speakers of a running server, as they are now."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

_TIMEOUT_SECONDS = 5.0
_MOST_STREAMS = 40


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("top")(top)


def top(
    servers: Annotated[
        list[str] | None,
        typer.Argument(help="Addresses of servers or fronts [http://localhost:8000]."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="SEAMLESS_OPERATOR_SECRET", help="The operator's secret or token."),
    ] = None,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print it once and end.")] = False,
) -> None:
    """Watch engines, fronts and speakers with their lag. Ctrl-C ends."""
    from rich.console import Console
    from rich.live import Live

    urls = servers or ["http://localhost:8000"]
    if once:
        Console().print(table(asyncio.run(look(urls, token))))
        return

    async def watch() -> None:
        with Live(auto_refresh=False, screen=True) as live:
            while True:
                live.update(table(await look(urls, token)), refresh=True)
                await asyncio.sleep(every)

    try:
        asyncio.run(watch())
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def look(urls: list[str], token: str | None) -> dict[str, dict[str, Any] | str]:
    """What each server says of itself, or why it says nothing."""
    import aiohttp

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)

    async def ask(session: aiohttp.ClientSession, url: str) -> dict[str, Any] | str:
        try:
            async with session.get(f"{url.rstrip('/')}/api/status", headers=headers) as answer:
                if answer.status in (401, 403):
                    return "wants the operator's secret: --token"
                if answer.status != 200:
                    return f"answers {answer.status}"
                found: dict[str, Any] = await answer.json()
                return found
        except asyncio.TimeoutError:
            return f"did not answer within {_TIMEOUT_SECONDS:.0f} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return f"cannot be reached ({error})"

    async with aiohttp.ClientSession(timeout=timeout) as session:
        answers = await asyncio.gather(*(ask(session, url) for url in urls))
    return dict(zip(urls, answers, strict=True))


def table(found: dict[str, dict[str, Any] | str]) -> RenderableType:
    """Everything as tables."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    def make(*columns: str) -> Table:
        made = Table(box=None, pad_edge=False, header_style="bold")
        for name in columns:
            made.add_column(name, justify="left" if name in _WORDS else "right")
        return made

    engines, fronts = make("engine", "host", "streams", "of", "busy", "version"), make(*_FRONT)
    streams = make("room", "speaker", "state", "lag", "waits", "engine")
    seen: set[str] = set()
    lines = []
    for url, status in found.items():
        if isinstance(status, str):
            fronts.add_row(escape(url), f"[red]{escape(status)}[/red]")
            continue
        numbers = (status[name] for name in ("connections", "rooms", "waiting"))
        fronts.add_row(
            escape(url),
            status["state"],
            *map(str, numbers),
            str(len(status["streams"])),
            status["version"],
        )
        for engine in status["engines"]:
            if engine["engine"] in seen:
                continue
            seen.add(engine["engine"])
            engines.add_row(
                escape(engine["engine"]),
                escape(engine["host"]),
                str(engine["slotsUsed"]),
                str(engine["slots"]),
                f"{engine['busy']:.0%}",
                engine["version"],
            )
        lines += status["streams"]
    lines.sort(key=lambda stream: -float(stream["lagMs"]))
    for stream in lines[:_MOST_STREAMS]:
        streams.add_row(
            escape(stream["room"]),
            escape(stream["speaker"]),
            stream["state"],
            f"{stream['lagMs'] / 1000:.1f} s",
            f"{stream['queuedMs'] / 1000:.1f} s",
            escape(stream["engine"] or ""),
        )
    if len(lines) > _MOST_STREAMS:
        streams.add_row("...", f"{len(lines) - _MOST_STREAMS} more")
    parts: list[RenderableType] = [fronts, ""]
    if seen:
        parts += [engines, ""]
    return Group(*parts, streams)


_FRONT = ("server", "state", "people", "rooms", "in line", "speakers", "version")
_WORDS = {"server", "state", "engine", "host", "room", "speaker"}
