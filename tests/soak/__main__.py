"""Half an hour of everything at once, and nobody who was not struck may notice.

    python -m tests.soak --minutes 30 --output docs/soak

Ends with 1 if anything was wrong; the report in the folder says what.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

from . import actors
from .report import write_report
from .world import REPLICAS, World

SPEAKERS = 4
_SETTLING_SECONDS = 90
_EVENTS_PER_MINUTE = 20_000 / 30
_GROWTH = 1.25
"""Memory in the last fifth of a long run, at most, as a multiple of that in the second fifth."""
_LONG_SECONDS = 600


async def soak(world: World, events: int) -> None:
    """The whole run."""
    await asyncio.gather(*(world.start(number) for number in range(REPLICAS)))
    first = world.replicas[0]
    assert first is not None
    await actors.say_alone(world, first.url)
    world.baseline = await _settled(world, None)
    world.begin()
    acts = [actors.talk] * SPEAKERS
    acts += [actors.upload, actors.stall, actors.flood, actors.babble]
    work = [actors.acting(world, act, seed) for seed, act in enumerate(acts)]
    work += [world.sample(), actors.misfortune(world)]
    work += [asyncio.to_thread(actors.fuzz, world, events)] if events else []
    done = await asyncio.gather(*work, return_exceptions=True)
    world.failures += [repr(error) for error in done if isinstance(error, BaseException)]
    world.end_faults()
    ends = await _settled(world, world.baseline)
    for name, value in ends.items():
        world.baseline[f"{name} at the end"] = value
    world.failures += [f"logged: {line}" for line in world.complaints()]
    world.failures += _growth(world)


async def _settled(world: World, before: dict[str, float] | None) -> dict[str, float]:
    """Waits until everything of those who left is given back, as far as it was before."""
    found: dict[str, float] = {}
    for _ in range(_SETTLING_SECONDS):
        await asyncio.sleep(1)
        found = await world.measure(0)
        if not any(found[name] for name in ("connections", "streams", "rooms")) and (
            before is None
            # Some connections to Redis may be kept for the next ones.
            or (found["tasks"] <= before["tasks"] + 2 and found["files"] <= before["files"] + 12)
        ):
            return found
    world.failures.append(f"not given back: {found}, before: {before}")
    return found


def _growth(world: World) -> list[str]:
    if world.seconds < _LONG_SECONDS:
        return []
    memory = [
        (sample["at"] / world.seconds, sample["memory"])
        for sample in world.samples
        if sample["replica"] == 0
    ]
    early = statistics.median(value for at, value in memory if 0.2 <= at < 0.4)
    late = statistics.median(value for at, value in memory if at >= 0.8)
    return [f"memory grew from {early:.0f} to {late:.0f} MB"] if late > _GROWTH * early else []


def main() -> int:
    """Runs it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description=str(__doc__).splitlines()[0]
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (default: 30)")
    parser.add_argument(
        "--events", type=int, help="fuzzed Socket.IO events (default: 20,000 in 30 minutes)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("soak"), help="folder of the report (default: soak)"
    )
    given = parser.parse_args()
    events = given.events
    if events is None:
        events = round(given.minutes * _EVENTS_PER_MINUTE)
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), given.minutes * 60)
        try:
            asyncio.run(soak(world, events))
        finally:
            world.close()
    write_report(world, given.output)
    for what, count in sorted(world.counts.items()):
        print(f"{count:7}  {what}")
    print(f"the report is in {given.output}")
    for failure in world.failures:
        print(f"WRONG: {failure[:2_000]}", file=sys.stderr)
    return 1 if world.failures else 0


if __name__ == "__main__":
    sys.exit(main())
