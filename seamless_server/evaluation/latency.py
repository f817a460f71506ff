"""Latency of simultaneous translation, as the papers define it.

All times are milliseconds from the start of the source audio. A *delay* belongs to one unit of the
output (a word, a character, a SentencePiece token or a chunk of speech). Two clocks give delays:

* computation-unaware (CU): how much of the source had been read when the unit was written;
* computation-aware (CA): when the unit would have reached a listener, had the source arrived in
  real time (`realtime_clock`).

Papers: AL, Ma et al. 2019 (arXiv 1810.08398) with the reference's length in the ideal policy, Ma et
al. 2020 (arXiv 2007.16193); LAAL, Papi et al. 2022 (arXiv 2206.05807); AP, Cho and Esipova 2016
(arXiv 1606.02012); DAL, Cherry and Foster 2019 (arXiv 1906.00048); ATD, Kano et al. 2023 (arXiv
2211.13173). docs/evaluation.md lists where SimulEval 1.1.4 departs from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

ATD_TOKEN_MS = 300.0
"""Length of the tokens that ATD cuts speech into (Kano et al., section 3)."""

_TOLERANCE_MS = 1e-6


def average_lagging(delays: Sequence[float], source_ms: float, target_length: int) -> float:
    """Average Lagging (AL): mean lag behind an ideal writer that keeps pace with the source.

    Args:
        delays: one per written unit, not decreasing, not empty.
        source_ms: length of the source.
        target_length: number of units that the ideal writer writes, by convention those of the
            reference.
    """
    pace = source_ms / target_length
    lags = []
    for index, delay in enumerate(delays):
        lags.append(delay - index * pace)
        if delay >= source_ms:
            break
    return fmean(lags)


def length_adaptive_average_lagging(
    delays: Sequence[float], source_ms: float, reference_length: int
) -> float:
    """LAAL: AL whose ideal writer writes the longer of hypothesis and reference.

    So that writing more than the reference does not look like being early.
    """
    return average_lagging(delays, source_ms, max(len(delays), reference_length))


def average_proportion(delays: Sequence[float], source_ms: float) -> float:
    """Average Proportion (AP): the mean share of the source that a unit waited for, 0 to 1."""
    return fmean(delays) / source_ms


def differentiable_average_lagging(delays: Sequence[float], source_ms: float) -> float:
    """DAL: AL without its cut at the end of the source; each unit also costs its share of time."""
    pace = source_ms / len(delays)
    total = 0.0
    written = -pace
    for index, delay in enumerate(delays):
        written = delay if index == 0 else max(delay, written + pace)
        total += written - index * pace
    return total / len(delays)


def average_token_delay(
    delays: Sequence[float],
    *,
    available: Sequence[float] | None = None,
    durations: Sequence[float] | None = None,
) -> float:
    """Average Token Delay (ATD): mean distance of the ends of corresponding tokens.

    The source is cut into tokens of `ATD_TOKEN_MS`, and so is spoken output; written units take no
    time. The source chunk of an output chunk is what was read since the output chunk before it.

    Args:
        delays: how much source had been read, one per written unit or spoken chunk.
        available: when each became available, on the clock of choice; `delays` by default (CU).
        durations: lengths of the spoken chunks; `None` for text.
    """
    available = delays if available is None else available
    source_chunks: list[list[float]] = []
    target_chunks: list[list[float]] = []
    read = 0.0
    clock = 0.0
    for delay, members in groupby(range(len(delays)), key=lambda index: delays[index]):
        indices = list(members)
        source_chunks.append(_ends(read, delay - read))
        read = delay
        ends: list[float] = []
        if durations is None:
            for index in indices:
                clock = max(clock, available[index])
                ends.append(clock)
        else:
            start = max(clock, available[indices[0]])
            ends = _ends(start, sum(durations[index] for index in indices))
            clock = ends[-1] if ends else start
        target_chunks.append(ends)
    return fmean(_token_delays(source_chunks, target_chunks))


def _ends(start: float, length: float) -> list[float]:
    """End times of the tokens of a stretch of audio; the last may be shorter."""
    whole = int((length + _TOLERANCE_MS) // ATD_TOKEN_MS)
    ends = [start + ATD_TOKEN_MS * (token + 1) for token in range(whole)]
    if length - whole * ATD_TOKEN_MS > _TOLERANCE_MS:
        ends.append(start + length)
    return ends


def _token_delays(source: list[list[float]], target: list[list[float]]) -> list[float]:
    """Distance of every output token to its source token: equations 2 to 4 of the ATD paper."""
    source_ends = [end for chunk in source for end in chunk]
    delays: list[float] = []
    sources_before = targets_before = 0
    for source_chunk, target_chunk in zip(source, target, strict=True):
        sources_until = sources_before + len(source_chunk)
        surplus = max(0, targets_before - sources_before)
        for offset, end in enumerate(target_chunk, start=1):
            partner = min(targets_before + offset - surplus, sources_until)
            delays.append(end - (source_ends[partner - 1] if partner > 0 else 0.0))
        sources_before = sources_until
        targets_before += len(target_chunk)
    return delays


def playback(starts: Sequence[float], durations: Sequence[float]) -> list[tuple[float, float]]:
    """When each chunk of speech is heard, ``(start, duration)``, one after the other."""
    heard: list[tuple[float, float]] = []
    free = 0.0
    for start, duration in zip(starts, durations, strict=True):
        begin = max(free, start)
        heard.append((begin, duration))
        free = begin + duration
    return heard


def realtime_clock(steps: Sequence[tuple[float, float]]) -> list[float]:
    """When each step of a run would end if the source arrived in real time.

    A step starts when its audio is there and the step before it is done; computing overlaps with
    listening, as on a live server. (SimulEval's ``elapsed`` adds all computing so far to the
    position in the source, as if the speaker waited for the machine.)

    Args:
        steps: ``(source read by its start, seconds that it took)``, both in milliseconds.
    """
    ends: list[float] = []
    free = 0.0
    for arrived, computing in steps:
        free = max(free, arrived) + computing
        ends.append(free)
    return ends


@dataclass(frozen=True, slots=True)
class Timing:
    """What the latency of one sentence is computed from. All lists have one entry per unit."""

    source_ms: float
    delays: Sequence[float]
    available: Sequence[float]
    """Computation-aware times; see `realtime_clock`."""
    reference_length: int = 0
    """In the unit of `delays`; 0 when there is no reference."""
    durations: Sequence[float] | None = None
    """Lengths of the chunks for spoken output, `None` for text."""


def measure(timing: Timing) -> dict[str, float]:
    """Every latency metric of one sentence, ``{"AL": .., "AL_CA": .., ...}``.

    Text: AL, LAAL, AP, DAL, ATD, StartOffset, EndOffset. Speech: ATD, StartOffset, EndOffset; the
    others count units of text, which chunks of speech are not. AP is a share, all else is in
    milliseconds. Empty when nothing was written or the source is empty: there is no delay then.
    """
    if not timing.delays or timing.source_ms <= 0:
        return {}
    result: dict[str, float] = {}
    for suffix, clock in (("", timing.delays), ("_CA", timing.available)):
        if timing.durations is None:
            reference = timing.reference_length or len(clock)
            source = timing.source_ms
            result[f"AL{suffix}"] = average_lagging(clock, source, reference)
            result[f"LAAL{suffix}"] = length_adaptive_average_lagging(clock, source, reference)
            result[f"AP{suffix}"] = average_proportion(clock, source)
            result[f"DAL{suffix}"] = differentiable_average_lagging(clock, source)
            end = clock[-1]
        else:
            start, duration = playback(clock, timing.durations)[-1]
            end = start + duration
        result[f"ATD{suffix}"] = average_token_delay(
            timing.delays, available=clock, durations=timing.durations
        )
        result[f"StartOffset{suffix}"] = clock[0]
        result[f"EndOffset{suffix}"] = end - timing.source_ms
    return result
