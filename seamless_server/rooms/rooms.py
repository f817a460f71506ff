"""Every room and member that this server knows, those of other replicas too."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from seamless_server.rooms.members import Member, Room, new_room_code
from seamless_server.rooms.store import Change, StateStore
from seamless_server.settings import Settings

_LOST_SEGMENTS = 100_000
"""More than one stream has; a speaker's segment numbers never repeat."""
_SILENT_ROOM_SECONDS = 60.0
"""How long an empty room is kept in which nothing was said."""


class Rooms:
    """Members by client ID, rooms by code. Belongs to the event loop's thread.

    Args:
        store: what replicas share.
        is_here: whether a member has a connection to this very server.
        on_change: told when a room's members changed elsewhere.
        on_claim: told when a member came over from another replica, which may not know yet.
        on_moved: told when a member's newest connection is to another replica.
        on_asked: told of a member here, and what its room's owner, elsewhere, does to it.
    """

    def __init__(
        self,
        settings: Settings,
        store: StateStore,
        *,
        is_here: Callable[[Member], bool],
        on_change: Callable[[Room], None],
        on_claim: Callable[[Member], None],
        on_moved: Callable[[Member], None],
        on_asked: Callable[[Member, str], None],
    ) -> None:
        self._settings = settings
        self.store = store
        self._is_here = is_here
        self._on_change = on_change
        self._on_claim = on_claim
        self._on_moved = on_moved
        self._on_asked = on_asked
        self.members: dict[str, Member] = {}
        self.rooms: dict[str, Room] = {}
        self._reading: dict[str, list[Change]] = {}
        """Changes of rooms whose members are just being read."""
        self._outdated: set[str] = set()
        """Rooms of which other changes were missed while their members were being read."""
        self._heard: dict[str, float] = {}
        """When each other replica was last heard of (monotonic)."""

    def get(self, room_id: str) -> Room | None:
        """The room of that code."""
        return self.rooms.get(room_id)

    def of(self, member: Member) -> Room | None:
        """The member's room."""
        return self.rooms.get(member.room_id) if member.room_id else None

    def new_code(self) -> str:
        """A code that no room has."""
        return new_room_code(self._settings.room_code_length, self.rooms)

    async def has(self, room_id: str) -> bool:
        """Whether somebody has opened that room, here or on another replica."""
        return room_id in self.rooms or await self.store.has_members(room_id)

    async def open(self, room_id: str) -> Room:
        """The room of that code, made if need be, with the members that other replicas hold."""
        room = self.rooms.get(room_id)
        if room is None:
            room = self.rooms[room_id] = Room(room_id, self._settings.replay_bytes)
            await self.refresh(room_id)
        return room

    async def changed(self, change: Change) -> None:
        """Another replica changed something: takes it over."""
        stranger = change.replica not in self._heard
        self._heard[change.replica] = time.monotonic()
        if change.asked is not None:
            client_id, ruling = change.asked
            member = self.members.get(client_id)
            if member is not None and member.room_id == change.room_id:
                self._on_asked(member, ruling)
        if change.missed or stranger:
            for room_id in list(self.rooms):
                await self.refresh(room_id)
        elif change.room_id in self._reading:
            self._reading[change.room_id].append(change)
        elif change.room_id is not None and (room := self.rooms.get(change.room_id)) is not None:
            self._take_over(room, change)
            self._on_change(room)

    async def refresh(self, room_id: str) -> None:
        """Reads what other replicas say of a room."""
        room = self.rooms.get(room_id)
        if room is None:
            return
        self._outdated.add(room_id)
        if room_id in self._reading:
            return
        # What is changed while this reads may be read before or after it was.
        self._reading[room_id] = []
        try:
            while room_id in self._outdated:
                self._outdated.discard(room_id)
                if (facts := await self.store.load_room(room_id)) is not None:
                    room.take_over(facts)
                elsewhere = {x.replica for x in room.members.values() if x.replica is not None}
                told = await self.store.told(elsewhere)
                records = await self.store.members(room_id)
        finally:
            changes = self._reading.pop(room_id)
        present = {record["client_id"] for record in records}
        for client_id, member in list(room.members.items()):
            if member.replica in told and client_id not in present:
                room.drop(client_id)
        for record in records:
            self._take_member(room, record)
        for change in changes:
            self._take_over(room, change)
        self._on_change(room)

    def _take_over(self, room: Room, change: Change) -> None:
        if change.facts is not None:
            room.take_over(change.facts)
        for client_id in change.gone:
            known = room.members.get(client_id)
            if known is not None and known.replica == change.replica:
                room.drop(client_id)
        for record in change.members:
            self._take_member(room, {**record, "replica": change.replica})

    def _take_member(self, room: Room, record: dict[str, Any]) -> None:
        known = room.members.get(record["client_id"])
        if known is not None and known.replica is None and self._is_here(known):
            if known.since >= record.get("since", 0.0):
                # It has come over to us; the other replica did not know yet.
                self._on_claim(known)
                return
            # It is connected there too, and that connection is newer.
            known.left_stream = bool(record.get("streaming"))
            self._on_moved(known)
        if known is not None and known.replica is None:
            self.members.pop(known.client_id, None)
        remote = Member.from_record({key: record[key] for key in record if key != "replica"})
        remote.replica = record.get("replica", "elsewhere")
        self._heard.setdefault(remote.replica, time.monotonic())
        room.add(remote)

    def _forget_dead_replicas(self) -> None:
        """Members of a replica of which nothing has been heard for long."""
        oldest = time.monotonic() - 2 * self._settings.grace_seconds
        dead = {name for name, heard in self._heard.items() if heard < oldest}
        if not dead:
            return
        for room in self.rooms.values():
            gone = [m.client_id for m in room.members.values() if m.replica in dead]
            for client_id in gone:
                room.drop(client_id)
            if gone:
                self._on_change(room)
        for name in dead:
            del self._heard[name]

    async def recall(self, client_id: str) -> Member | None:
        """The member of that ID, also one whose connection another replica has."""
        member = self.members.get(client_id)
        if member is None and (record := await self.store.load_member(client_id)) is not None:
            record.pop("replica", None)
            member = Member.from_record({**record, "sid": None, "streaming": False})
            member.gone_since = time.monotonic()
            if record.get("streaming"):
                # Its server died in mid-stream, and how far its segments went died with it.
                member.segment_base += _LOST_SEGMENTS
                member.left_stream = True
        return member

    def enter(self, room: Room, member: Member) -> None:
        """A member is in a room from now on."""
        member.room_id = room.room_id
        member.replica = None
        room.add(member)
        room.empty_since = None

    async def save_facts(self, room: Room) -> None:
        """Lets replicas know of a room's owner and rules."""
        await self.store.save_room(room.room_id, room.facts())

    async def leave(self, member: Member) -> Room | None:
        """Takes a member out of its room, which is returned."""
        room = self.of(member)
        await self.store.remove_member(member.client_id, member.room_id)
        member.room_id = None
        if room is not None:
            if room.members.get(member.client_id) is member:
                room.drop(member.client_id)
            if room.pass_on(member.client_id):
                await self.save_facts(room)
            if not room.members:
                room.empty_since = time.monotonic()
        return room

    async def save(self, member: Member) -> None:
        """Lets replicas know of a member."""
        if member.room_id is not None and member.replica is None:
            await self.store.save_member(member.record(), self._settings.grace_seconds * 2)

    async def save_all(self) -> None:
        """Keeps every member known to other replicas."""
        for member in list(self.members.values()):
            await self.save(member)

    def overdue(self) -> list[Member]:
        """Members whose grace period is over."""
        now = time.monotonic()
        return [
            member
            for member in self.members.values()
            if member.gone_since is not None
            and now - member.gone_since > self._settings.grace_seconds
        ]

    def _patience(self, room: Room) -> float:
        expiry = self._settings.room_expiry_seconds
        return expiry if room.said else min(expiry, _SILENT_ROOM_SECONDS)

    async def expire(self) -> list[str]:
        """Removes rooms that stayed empty and output that nobody waits for; returns the codes."""
        self._forget_dead_replicas()
        now = time.monotonic()
        expired = []
        for room in list(self.rooms.values()):
            room.forget_held()
            if room.members:
                room.empty_since = None
            elif room.empty_since is None:
                room.empty_since = now  # the last one was another replica's
            elif now - room.empty_since > self._patience(room):
                del self.rooms[room.room_id]
                expired.append(room.room_id)
                await self.store.clear_transcript(room.room_id)
        return expired
