"""The streams of clients: started as they ask, or gone on with where another replica was."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import socketio

from seamless_server.doors.socketio.announcer import Announcer
from seamless_server.doors.socketio.schema import EventError, StreamConfig
from seamless_server.doors.socketio.speaker import Speaker
from seamless_server.errors import ConfigError, SeamlessError
from seamless_server.languages import spoken
from seamless_server.rooms.members import Member
from seamless_server.rooms.rooms import Rooms
from seamless_server.service.owner import Pause, StreamRequest
from seamless_server.service.service import Service
from seamless_server.service.session import Session
from seamless_server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


@dataclass(eq=False, kw_only=True)
class Streams:
    """See the module."""

    sio: socketio.AsyncServer
    settings: Settings
    rooms: Rooms
    service: Service
    announcer: Announcer

    async def start(
        self, member: Member, config: StreamConfig, *, local: bool
    ) -> tuple[Speaker, Session | None]:
        """Starts a member's stream, or puts it in line; a running one ends first.

        Args:
            local: it connects from this very machine.

        Raises:
            EventError: an option or the model cannot be had.
            Refused, SeamlessError: it cannot start now.
        """
        speaker = self._speaker(member, config)
        record = config.debug and self.service.recorder.allows(local=local)
        request = self._request(speaker, record, lambda: member.segment_base)
        waits = config.wait and member.protocol >= 2
        session = await self.service.open(speaker, request, speaker, waits=waits)
        if session is not None:
            await speaker.started()
        return speaker, session

    async def go_on(self, member: Member) -> bool:
        """Goes on with the stream that a member had on another replica, from its last pause; False
        if that cannot be. Its client has all audio since then."""
        member.streaming = True  # that replica is told, and ends its own
        await self.rooms.save(member)
        state = await self.rooms.store.load_stream(member.client_id)
        try:
            if state is None or member.room_id is None:
                return False
            speaker = self._speaker(member, StreamConfig(**state["config"]))
            pause = Pause(**state["pause"])
            request = self._request(speaker, False, lambda: pause.segment_base, pause)
            if await self.service.open(speaker, request, speaker) is None:
                return False
            speaker.go_on(await self.sio.manager.last_events(member.room_id))
            await speaker.started(pause)
        except SeamlessError as error:
            logger.warning("a stream could not be gone on with: %s", error)
            return False
        finally:
            member.streaming = self.service.session(member.client_id) is not None
        return True

    def _speaker(self, member: Member, config: StreamConfig) -> Speaker:
        return Speaker(
            member,
            config,
            sio=self.sio,
            settings=self.settings,
            rooms=self.rooms,
            service=self.service,
            announcer=self.announcer,
        )

    def _request(
        self,
        speaker: Speaker,
        record: bool,
        segment_base: Callable[[], int],
        resume: Pause | None = None,
    ) -> StreamRequest:
        member, config = speaker.member, speaker.config
        try:
            options = self.settings.option_policy.admit(config.options)
        except ConfigError as error:
            raise EventError("configure_stream", f"options.{error.field}", error.reason) from None
        if options.source_lang is None and member.source_language in spoken():
            options = options.model_copy(update={"source_lang": member.source_language})
        return StreamRequest(
            rate=config.rate,
            targets=speaker.choose,
            model=config.model_name,
            target=member.target_language,
            speech=config.model_type != "s2t",
            options=options,
            record=record,
            room=member.room_id or "",
            segment_base=segment_base,
            resume=resume,
        )
