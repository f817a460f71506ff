"""A clean end: a signal lets everybody have the last sentence, and the server come back."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosedError

from seamless_server.doors.running import BackgroundServer

from .conftest import Connect, Run, speech, timeout


async def said(server: Any, connect: Connect, end: Callable[[], None] | None) -> tuple[str, Any]:
    """What a listener hears of a speech, which `end` may interrupt when all of it was sent."""
    speaker, listener = await connect(server), await connect(server)
    room = await speaker.join(None, "speaker")
    await listener.join(room, "listener")
    await speaker.configure(debug=True)
    await speaker.speak(speech("human_pauses"))
    if end is None:
        await speaker.call("stop_stream")
        return listener.text(), listener
    await listener.until("translation_text")
    end()
    await listener.until("disconnect")
    return listener.text(), listener


async def test_sigterm_gives_everybody_the_last_sentence(
    run: Run, shared_server: BackgroundServer, connect: Connect, tmp_path: Path
) -> None:
    whole, _ = await said(shared_server, connect, None)
    program = run()
    heard, listener = await said(program, connect, lambda: program.end(signal.SIGTERM))
    assert heard == whole
    [told] = listener.of("server_restart")
    assert 500 <= told["retryAfterMs"] <= 5_000
    code, log = await program.code()
    assert code == 0
    assert "Traceback" not in log
    [recording] = (tmp_path / "debug").iterdir()
    assert (recording / "timeline.html").is_file()


async def test_ctrl_c_closes_with_a_code_that_says_restart(run: Run) -> None:
    program = run()
    address = program.url.replace("http", "ws") + "/ws/socket.io/?EIO=4&transport=websocket"
    async with open_websocket(f"{address}&clientID=a") as client:
        await client.recv()
        await client.send("40")
        program.end(signal.SIGINT)
        with suppress(ConnectionClosedError):
            async with timeout(60):
                async for _ in client:
                    pass
        assert client.close_code == 1012
    code, log = await program.code()
    assert code == 0
    assert "Traceback" not in log


async def test_nobody_starts_any_more_while_the_last_ones_finish(
    start_server: Callable[..., BackgroundServer], connect: Connect
) -> None:
    server = start_server()
    peer = await connect(server)
    await peer.join()
    parts, loop = server.app.state.parts, server.loop
    assert loop is not None
    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(parts.drain(), loop))
    assert (await peer.configure())["status"] == "error"
    answer = await asyncio.to_thread(httpx.get, f"{server.url}/readyz")
    assert answer.status_code == 503
    assert answer.json()["state"] == "draining"
