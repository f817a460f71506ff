"""A speaker in a room whose audio comes through another door."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from seamless_server.doors.parts import Parts
from seamless_server.doors.socketio.schema import StreamConfig
from seamless_server.doors.socketio.speaker import Speaker
from seamless_server.errors import SeamlessError
from seamless_server.rooms.members import Member
from seamless_server.service.owner import EndReason, Targets

if TYPE_CHECKING:
    from seamless_server.doors.realtime_session import RealtimeTranslation
    from seamless_server.streaming import ModelInfo, Output


class RoomSpeaker(Speaker):
    """The room sees a member like any other; the other door gets its outputs beside the room's."""

    def __init__(self, door: RealtimeTranslation, member: Member, parts: Parts) -> None:
        super().__init__(
            member,
            StreamConfig(rate=16_000),
            sio=parts.sio,
            settings=parts.settings,
            rooms=parts.rooms,
            service=parts.service,
            announcer=parts.announcer,
        )
        self._door = door

    def speaks(self, lang: str) -> None:
        """The language of those who take whatever the speaker chose is another."""
        self.member.target_language = lang
        self.retarget()

    async def leave(self, parts: Parts) -> None:
        """The other door's client is gone."""
        await parts.connections.leave_room(self.member)
        parts.rooms.members.pop(self.key, None)

    async def complain(self, message: str, code: str) -> None:
        """Tells the client through its door."""
        await self._door.complain(message, code)

    def _targets(self, model: ModelInfo) -> tuple[Targets, str]:
        """What the room wants, and what the door does."""
        from seamless_server.streaming import Target

        wanted, main = super()._targets(model)
        targets = dict(wanted)
        for lang, target in self._door.targets(model).items():
            known = targets.get(lang, target)
            targets[lang] = Target(known.text or target.text, known.speech or target.speech)
        return targets, main

    def pack(self, output: Output) -> Iterator[Any]:
        """The events of both; the door's are plain."""
        yield from self._door.pack(output)
        yield from super().pack(output)

    async def on_output(self, packed: Any) -> None:
        """Sends an event through the door, or to everyone in the room who wants it."""
        if isinstance(packed, dict):
            await self._door.on_output(packed)
        else:
            await super().on_output(packed)

    async def on_end(
        self, reason: EndReason, error: BaseException | None, next_segment: int
    ) -> None:
        """The stream is over."""
        await super().on_end(reason, error, next_segment)
        self._door.ended.set()

    async def _report(self) -> None:
        """The other door's clients know no status of the stream."""


async def enter(
    parts: Parts, door: RealtimeTranslation, room_id: str, passcode: str | None, address: str
) -> RoomSpeaker:
    """Takes the door's client into a room, as a speaker.

    Raises:
        SeamlessError: there is no such room, or it does not let the client in.
    """
    if not parts.connections.addresses.of(address).joins.take():
        raise SeamlessError("Too many tries to join rooms: slow down.", code="rate")
    if not await parts.rooms.has(room_id):
        raise SeamlessError(f"There is no room {room_id} here. Check the code.", code="no_room")
    room = await parts.rooms.open(room_id)
    room.let_in(door.key, passcode, {"speaker"})
    # It has no Socket.IO session; its name in place of one says that it is here.
    member = Member(
        door.key, sid=door.key, protocol=2, name="Realtime", roles=frozenset({"speaker"})
    )
    parts.rooms.members[door.key] = member
    parts.rooms.enter(room, member)
    parts.announcer.room_changed(room)
    await parts.rooms.save(member)
    return RoomSpeaker(door, member, parts)
