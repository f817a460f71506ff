"""What protocol 2 adds to the original's conversation."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soundfile

from seamless_server.audio.opus import OpusEncoder
from seamless_server.client.messages import SpeechReader
from seamless_server.doors.running import BackgroundServer

from .conftest import Connect, silence, speech

Start = Callable[..., BackgroundServer]


async def test_every_output_says_whose_it_is_and_where_it_belongs(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    peer = await connect(shared_server)
    await peer.join()
    await peer.call("set_dynamic_config", {"targetLanguage": "spa"})
    await peer.configure(buffer_limit=0)
    audio = speech("human_pauses")
    await peer.speak(audio)
    await peer.call("stop_stream")
    outputs = [
        data for name, data in peer.events if name in ("translation_text", "translation_speech")
    ]
    duration_ms = len(audio) / 16
    for output in outputs:
        assert output["speakerID"] == peer.client_id
        assert output["lang"] == "spa"
        assert 0 <= output["startMs"] <= output["endMs"] <= duration_ms
        assert output["latencyMs"] >= 0
        assert 0 < output.get("confidence", 1) <= 1
    numbers = [output["seq"] for output in outputs]
    assert numbers == sorted(set(numbers))
    segments = [output["segmentID"] for output in peer.of("translation_text")]
    assert segments == sorted(segments)
    assert len(set(segments)) > 1
    for segment, group in itertools.groupby(
        peer.of("translation_text"), key=lambda output: output["segmentID"]
    ):
        assert list(group)[-1]["eos"] is True, segment


async def test_speech_is_binary_and_is_what_version_1_gets_as_numbers(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    speaker = await connect(shared_server)
    room = await speaker.join(None, "speaker")
    modern = await connect(shared_server)
    await modern.join(room, "listener")
    original = await connect(shared_server, protocol=1)
    await original.join(room, "listener")
    await speaker.configure()
    await speaker.speak(speech("human_short"))
    await speaker.call("stop_stream")
    for listener in (modern, original):
        await listener.call("set_name", "x")  # its answer comes behind everything else
    sounds = modern.of("translation_speech")
    assert {sound["encoding"] for sound in sounds} == {"pcm16"}
    binary = np.frombuffer(b"".join(sound["payload"] for sound in sounds), "<i2")
    floats = np.concatenate([s["payload"] for s in original.of("translation_speech")])
    assert len(binary) == len(floats) > 0
    assert np.abs(binary / 32767 - floats).max() < 1e-4
    words = "".join(text["payload"] for text in original.of("translation_text"))
    assert "".join(words.split()) == "".join(modern.text().split())
    assert speaker.of("translation_text") == []  # it did not come to listen


async def test_listeners_choose_their_own_language_and_the_encoder_runs_once(
    start_server: Start, connect: Connect
) -> None:
    async def say(*languages: str) -> tuple[dict[str, str], float]:
        server = start_server()
        speaker = await connect(server, f"speaker-{len(languages)}")
        room = await speaker.join(None, "speaker")
        await speaker.call("set_dynamic_config", {"targetLanguage": "spa"})
        listeners = {}
        for lang in languages:
            listener = listeners[lang] = await connect(server, f"listener-{lang}-{len(languages)}")
            await listener.join(room, "listener")
            answer = await listener.call(
                "set_listener_config", {"targetLanguage": lang, "output": "s2t"}
            )
            assert answer["status"] == "ok"
            assert answer["targetLanguage"] == lang
        await speaker.configure()
        await speaker.speak(speech("human_short"))
        await speaker.call("stop_stream")
        for listener in listeners.values():
            await listener.until("translation_text", lambda text: text["eos"])
        metrics = server.app.state.parts.metrics
        encoded = metrics.registry.get_sample_value(
            "seamless_stage_calls_total", {"stage": "encode"}
        )
        return {lang: peer.text(lang) for lang, peer in listeners.items()}, encoded or 0.0

    alone, calls_alone = await say("fra")
    together, calls_together = await say("fra", "deu", "spa")
    assert together["fra"] == alone["fra"] != ""
    assert len(set(together.values())) > 1
    assert calls_alone > 0
    # A branch whose sentence ends early goes on with an encoder state of its own for a while.
    assert calls_together < 2 * calls_alone


async def test_a_listener_gets_only_what_it_asked_for(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    speaker = await connect(shared_server)
    room = await speaker.join(None, "speaker")
    await speaker.call("set_dynamic_config", {"targetLanguage": "spa"})
    peers = {}
    for output in ("s2s&t", "s2t", "s2s", "none"):
        peer = peers[output] = await connect(shared_server)
        await peer.join(room, "listener")
        await peer.call("set_listener_config", {"targetLanguage": None, "output": output})
    await speaker.configure(model_type="s2t")
    await speaker.speak(speech("human_short"))
    await speaker.call("stop_stream")
    for peer in peers.values():
        await peer.call("set_name", "x")
    got = {
        output: (bool(p.of("translation_text")), bool(p.of("translation_speech")))
        for output, p in peers.items()
    }
    # The speaker asked for text only; listeners may still hear it.
    assert got == {
        "s2s&t": (True, True),
        "s2t": (True, False),
        "s2s": (False, True),
        "none": (False, False),
    }


async def test_a_listener_changes_its_language_in_mid_stream(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    speaker = await connect(shared_server)
    room = await speaker.join(None, "speaker")
    await speaker.call("set_dynamic_config", {"targetLanguage": "spa"})
    listener = await connect(shared_server)
    await listener.join(room, "listener")
    await speaker.configure()
    audio = speech("human_pauses")
    await speaker.speak(audio[: len(audio) // 2])
    await listener.until("translation_text", lambda text: text["lang"] == "spa")
    await listener.call("set_listener_config", {"targetLanguage": "deu", "output": "s2t"})
    changed = len(listener.events)
    await speaker.speak(audio[len(audio) // 2 :])
    await speaker.call("stop_stream")
    await listener.until("translation_text", lambda text: text["lang"] == "deu")
    later = [data["lang"] for name, data in listener.events[changed:] if name == "translation_text"]
    assert set(later) == {"deu"}


async def test_who_joins_in_mid_sentence_gets_that_sentence_from_its_start(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(idle_ms=60_000, stream_options="no_early_stop=true")
    speaker = await connect(server, "speaker")
    room = await speaker.join()
    await speaker.configure(model_type="s2t")
    pcm = speech("human_short")
    await speaker.speak(pcm[: 2 * 16_000])
    first = await speaker.until("translation_text")
    late = await connect(server, "late")
    await late.join(room, "listener")
    await late.call("set_listener_config", {"targetLanguage": "por", "output": "s2t"})
    await speaker.speak(pcm[2 * 16_000 :])
    await speaker.call("stop_stream")
    [own] = [e for e in await late.call("transcript") if e["lang"] == "por"][:1]
    assert own["segmentID"] == first["segmentID"]
    assert own["startMs"] == first["startMs"]
    assert late.text("por").strip() == own["text"]


async def test_a_language_goes_by_whatever_the_client_calls_it(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    speaker = await connect(shared_server)
    room = await speaker.join(None, "speaker")
    await speaker.call("set_dynamic_config", {"targetLanguage": "es-MX", "sourceLanguage": "Iw"})
    listener = await connect(shared_server)
    await listener.join(room, "listener")
    wish = {"targetLanguage": "Deutsch", "output": "s2t"}
    assert (await listener.call("set_listener_config", wish))["targetLanguage"] == "deu"
    state = await speaker.until("room_state_update", lambda s: listener.client_id in s["members"])
    chosen = state["members"][speaker.client_id]["transcoder_dynamic_config"]
    assert chosen == {"targetLanguage": "spa", "sourceLanguage": "heb"}
    for wrong in ("Klingon", "", "spa," * 50):
        answer = await listener.call("set_listener_config", {**wish, "targetLanguage": wrong})
        assert answer["status"] == "error"
        assert "unknown language" in answer["message"]


async def test_what_was_heard_comes_beside_the_translation_for_who_asks(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    speaker = await connect(shared_server)
    room = await speaker.join(None, "speaker")
    chosen = {"targetLanguage": "spa", "sourceLanguage": "por"}
    assert (await speaker.call("set_dynamic_config", chosen))["status"] == "ok"
    readers = []
    for heard in (True, False):
        reader = await connect(shared_server)
        await reader.join(room, "listener")
        wish = {"targetLanguage": "spa", "output": "s2t", "heard": heard}
        assert (await reader.call("set_listener_config", wish))["status"] == "ok"
        readers.append(reader)
    state = await speaker.until(
        "room_state_update",
        lambda s: s["members"].get(readers[1].client_id, {}).get("listener_config"),
    )
    assert state["members"][speaker.client_id]["transcoder_dynamic_config"] == chosen
    assert state["members"][readers[1].client_id]["listener_config"]["heard"] is False
    await speaker.configure(model_type="s2t")
    await speaker.speak(speech("human_pauses"))
    await speaker.call("stop_stream")
    with_heard, without = readers
    assert without.text("por") == ""
    assert without.text("spa") == with_heard.text("spa") != ""
    assert with_heard.text("por")
    segments = [
        {text["segmentID"] for text in with_heard.of("translation_text") if text["lang"] == lang}
        for lang in ("spa", "por")
    ]
    assert segments[0] & segments[1]  # the same numbers: they can be put side by side


async def test_a_sentence_that_is_not_understood_is_said_to_be_so(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    old = await connect(shared_server, protocol=1)
    speaker = await connect(shared_server)
    room = await speaker.join()
    await old.join(room, "listener")
    await speaker.configure(options={"min_confidence": 1.0})
    await speaker.speak(speech("human_short"))
    await speaker.call("stop_stream")
    events = speaker.of("not_understood")
    assert events
    assert events[0]["speakerID"] == speaker.client_id
    assert events[0]["lang"] == "spa"
    assert events[0]["confidence"] < 1
    assert events[0]["endMs"] > events[0]["startMs"] >= 0
    assert speaker.of("translation_text") == speaker.of("translation_speech") == []
    # The first protocol has no such event, and gets no words either.
    assert old.of("not_understood") == []
    assert not any(text["payload"] for text in old.of("translation_text"))
    assert await speaker.call("transcript") == []


async def test_languages_that_are_not_offered_are_refused(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    peer = await connect(shared_server)
    await peer.join()
    for event in ("set_dynamic_config", "set_listener_config"):
        answer = await peer.call(event, {"targetLanguage": "xho"})
        assert answer["status"] == "error"
        assert answer["field"] == "targetLanguage"
        assert "spa" in answer["message"]


async def test_a_room_has_a_limit_of_languages(start_server: Start, connect: Connect) -> None:
    server = start_server(max_languages=1)
    first = await connect(server, "first")
    room = await first.join(None, "listener")
    second = await connect(server, "second")
    await second.join(room, "listener")
    wanted = {"targetLanguage": "fra", "output": "s2t"}
    assert (await first.call("set_listener_config", wanted))["status"] == "ok"
    assert (await second.call("set_listener_config", wanted))["status"] == "ok"
    refused = await second.call("set_listener_config", {**wanted, "targetLanguage": "deu"})
    assert refused["status"] == "error"
    assert "fra" in refused["message"]
    await second.call("set_listener_config", {"targetLanguage": None, "output": "s2t"})
    answer = await first.call("set_listener_config", {**wanted, "targetLanguage": "deu"})
    assert answer["status"] == "ok"  # what it leaves does not count


async def test_late_joiners_get_the_transcript(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    speaker = await connect(shared_server)
    room = await speaker.join()
    await speaker.call("set_dynamic_config", {"targetLanguage": "spa"})
    await speaker.configure()
    await speaker.speak(speech("human_pauses"))
    await speaker.call("stop_stream")
    late = await connect(shared_server)
    await late.join(room, "listener")
    transcript = await late.call("transcript")
    assert {entry["speakerID"] for entry in transcript} == {speaker.client_id}
    assert len(transcript) > 1
    told: dict[str, str] = {}
    for text in speaker.of("translation_text"):
        told[text["segmentID"]] = told.get(text["segmentID"], "") + text["payload"]
    written = {entry["segmentID"]: entry["text"] for entry in transcript}
    assert written == {key: text.strip() for key, text in told.items() if text.strip()}
    # A second stream of the same speaker goes on with its numbers.
    await speaker.configure()
    await speaker.speak(speech("human_short"))
    await speaker.call("stop_stream")
    longer = await late.call("transcript")
    assert [entry["segmentID"] for entry in longer[: len(transcript)]] == sorted(written)
    assert min(entry["segmentID"] for entry in longer[len(transcript) :]) > max(written)
    answer = await late.call("clear_transcript_for_all")
    assert answer["code"] == "forbidden"  # who listens may not clear what others read
    await speaker.call("clear_transcript_for_all")
    await speaker.until("clear_transcript")
    assert await late.call("transcript") == []


async def test_a_sentence_that_is_still_spoken_is_marked_in_the_transcript(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(idle_ms=60_000)
    speaker = await connect(server, "speaker")
    room = await speaker.join()
    await speaker.configure(model_type="s2t")
    late = await connect(server, "late")
    await late.join(room, "listener")
    await speaker.speak(speech("human_short", seconds=2.0))
    entry: dict[str, Any] = {}
    while entry.get("finished", True):
        await asyncio.sleep(0.02)
        entry = next(iter(await late.call("transcript")), {})
    assert entry["text"]
    await speaker.call("stop_stream")
    [entry] = await late.call("transcript")
    assert entry["finished"] is True
    assert entry["text"] == late.text().strip()


@pytest.mark.parametrize("protocol", [1, 2])
async def test_output_is_gathered_up_to_the_limit_that_the_speaker_asked_for(
    shared_server: BackgroundServer, connect: Connect, protocol: int
) -> None:
    """Seconds of speech, phonemes of text; the end of a sentence waits for nothing."""
    listener = await connect(shared_server)

    async def said(limit: float) -> tuple[list[int], list[int], str]:
        speaker = await connect(shared_server, protocol=protocol)
        await listener.join(await speaker.join(None, "speaker"), "listener")
        listener.events.clear()
        await speaker.configure(buffer_limit=limit)
        await speaker.speak(speech("human_pauses"))
        await speaker.call("stop_stream")
        texts, sounds = listener.of("translation_text"), listener.of("translation_speech")
        # Only what was sent before the end of its sentence had to be long enough.
        return (
            [sum(map(str.isalpha, text["payload"])) for text in texts if not text["eos"]],
            [len(sound["payload"]) // 32 for sound in sounds if not sound["eos"]],
            listener.text(),
        )

    letters, milliseconds, whole = await said(0)
    assert min(letters) < 50
    assert min(milliseconds) < 2_000
    letters, milliseconds, same = await said(50)
    assert same == whole
    assert letters
    assert min(letters) >= 50
    assert all(length >= 50_000 for length in milliseconds)
    _, milliseconds, _ = await said(2)
    assert all(length >= 2_000 for length in milliseconds)


async def test_the_transcript_is_bounded(start_server: Start, connect: Connect) -> None:
    server = start_server(transcript_entries=2)
    speaker = await connect(server, "speaker")
    await speaker.join()
    await speaker.configure()
    await speaker.speak(speech("human_pauses"))
    await speaker.call("stop_stream")
    segments = {text["segmentID"] for text in speaker.of("translation_text") if text["payload"]}
    kept = [entry["segmentID"] for entry in await speaker.call("transcript")]
    assert len(segments) > 2
    assert kept == sorted(segments)[-2:]


async def test_the_speaker_is_told_how_its_stream_does(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    peer = await connect(shared_server)
    await peer.join()
    await peer.configure()
    await peer.speak(speech("human_pauses"), pause=0.15)
    statuses = peer.of("stream_status")
    assert {status["state"] for status in statuses} <= {"listening", "speech", "flushing"}
    assert "speech" in {status["state"] for status in statuses}
    assert all(status["lagMs"] >= 0 and status["queuedMs"] >= 0 for status in statuses)
    assert any(status["lagMs"] > 0 for status in statuses)
    factors = [status["realTimeFactor"] for status in statuses]
    assert all(factor > 0 for factor in factors if factor is not None)
    assert factors[-1] is not None


async def test_audio_is_acknowledged_on_request(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    peer = await connect(shared_server)
    await peer.join()
    await peer.configure()
    answer = await peer.call("incoming_audio", silence(1.0).tobytes())
    assert set(answer) == {"queuedMs", "receivedMs"}
    assert 0 <= answer["queuedMs"] <= answer["receivedMs"] == 1000
    assert (await peer.call("incoming_audio", b""))["receivedMs"] == 1000


async def test_a_speaker_may_send_opus(start_server: Start, connect: Connect) -> None:
    server = start_server()
    peer = await connect(server)
    await peer.join()
    audio = speech("human_short", 48_000)[:96_500]
    answer = await peer.configure(48_000, debug=True, encoding="opus")
    assert (answer["status"], answer["encoding"]) == ("ok", "opus")
    sent, size = 0, 0
    # In the middle a new encoder begins, as after a lost connection, and samples come as well.
    for part in (audio[:50_000], audio[50_000:]):
        encoder = OpusEncoder(48_000)
        for start in range(0, len(part), 4_800):
            last = start + 4_800 >= len(part)
            piece = encoder.encode(part[start : start + 4_800], 48_000, last=last)
            size += len(piece.payload)
            sent += piece.samples
            data = {"payload": piece.payload, "samples": piece.samples, "preSkip": piece.pre_skip}
            answer = await peer.call("incoming_audio", data)
            assert answer["receivedMs"] == pytest.approx(sent / 48, abs=0.1)
    await peer.call("incoming_audio", audio.tobytes())
    await peer.call("stop_stream")
    assert (sent, 12 * size < 2 * len(audio)) == (len(audio), True)
    saved = await peer.until("recording_saved")
    heard, _ = soundfile.read(
        server.settings.debug_dir / saved["name"] / "input.wav", dtype="int16"
    )
    assert len(heard) == 2 * len(audio)
    assert np.corrcoef(heard[: len(audio)], audio)[0, 1] > 0.95
    assert np.array_equal(heard[len(audio) :], audio)


async def test_opus_that_is_none_is_refused_and_the_stream_goes_on(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    peer = await connect(shared_server)
    await peer.join()
    assert (await peer.configure(44_100, encoding="opus"))["encoding"] == "pcm16"
    begins = {"preSkip": 0, "samples": 960}
    for rate, data, problem in [
        (44_100, {"payload": b"", **begins}, "44100 Hz"),
        (16_000, {"payload": b"\x00\x09abc", "samples": 320}, "preSkip"),
        (16_000, {"payload": b"\x00\x09abc", **begins}, "cut off"),
        (16_000, {"payload": b"\x00\x01\xff" * 51, **begins}, "at most"),
        (16_000, {"payload": b"", **begins}, "960 samples are announced and 0 came"),
        (16_000, {"payload": "text", **begins}, "payload"),
        (16_000, {"payload": b"", "samples": -1}, "samples"),
    ]:
        await peer.configure(rate, encoding="opus")
        answer = await peer.call("incoming_audio", data)
        assert answer["status"] == "error"
        assert problem in answer["message"]
    assert (await peer.call("incoming_audio", silence(1.0).tobytes()))["receivedMs"] == 1000


@pytest.mark.parametrize("protocol", [1, 2])
async def test_output_meanwhile_is_delivered_to_who_comes_back(
    start_server: Start, connect: Connect, protocol: int
) -> None:
    server = start_server(grace_seconds=30)
    speaker = await connect(server, "speaker")
    room = await speaker.join(None, "speaker")
    listener = await connect(server, "listener", protocol=protocol)
    await listener.join(room, "listener")
    await speaker.configure(buffer_limit=0)
    await listener.sio.disconnect()
    await speaker.until(
        "room_state_update",
        lambda s: s["members"].get("listener", {}).get("connection_status") == "disconnected",
    )
    await speaker.speak(speech("human_short"))
    await speaker.call("stop_stream")
    again = await connect(server, "listener", protocol=protocol)
    await again.until("translation_text", lambda text: text["eos"])
    await again.until("translation_speech")
    # Once only.
    before = len(again.of("translation_text"))
    await again.sio.disconnect()
    third = await connect(server, "listener", protocol=protocol)
    await third.call("set_name", "x")
    assert third.of("translation_text") == []
    assert before > 0


async def test_a_speaker_that_loses_its_connection_goes_on_where_it_was(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(grace_seconds=30)
    speaker = await connect(server, "speaker")
    room = await speaker.join(None, "speaker")
    listener = await connect(server, "listener")
    await listener.join(room, "listener")
    await speaker.configure()
    audio = speech("human_pauses")
    await speaker.speak(audio[: len(audio) // 2])
    await speaker.sio.disconnect()
    again = await connect(server, "speaker")
    await again.speak(audio[len(audio) // 2 :])
    await again.call("stop_stream")
    await listener.until("translation_text", lambda text: text["eos"])
    metrics = server.app.state.parts.metrics.registry
    assert metrics.get_sample_value("seamless_sessions_started_total", {"model": "tiny"}) == 1
    heard = metrics.get_sample_value("seamless_audio_seconds_total")
    assert heard > 0.6 * len(audio) / 16_000


async def test_who_stays_away_is_forgotten_and_empty_rooms_expire(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(grace_seconds=0.3, room_expiry_seconds=0.3)
    speaker = await connect(server, "speaker")
    room = await speaker.join()
    await speaker.configure()
    await speaker.speak(speech("human_short"))
    await speaker.sio.disconnect()
    watcher = await connect(server, "watcher")
    await watcher.until(
        "server_state_update",
        lambda s: room not in s["statusByRoom"] and s["totalActiveTranscoders"] == 0,
    )
    parts = server.app.state.parts
    assert set(parts.rooms.members) == {"watcher"}
    assert parts.service.admission.places == {}


async def test_a_client_id_can_be_reserved(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    """Others in the room know the ID, but not the key."""
    import socketio

    peer = await connect(shared_server, auth={"resumeKey": "mine"})
    await peer.join()
    with pytest.raises(socketio.exceptions.ConnectionError):
        await connect(shared_server, peer.client_id, auth={"resumeKey": "guessed"})
    await peer.sio.disconnect()
    again = await connect(shared_server, peer.client_id, auth={"resumeKey": "mine"})
    await again.until("room_state_update")


@pytest.mark.parametrize(("gain", "sentence"), [(40.0, "clipped"), (0.004, "very quiet")])
async def test_a_level_that_makes_trouble_is_told(
    shared_server: BackgroundServer, connect: Connect, gain: float, sentence: str
) -> None:
    peer = await connect(shared_server)
    await peer.join()
    await peer.configure()
    loud = np.resize(speech("human_short", 16_000), 6 * 16_000) / 32768
    loud = loud / np.abs(loud).max()
    await peer.speak((np.clip(loud * gain, -1, 1) * 32767).astype(np.int16))
    await peer.until("stream_status", lambda status: sentence in (status["warning"] or ""))
    await peer.call("stop_stream")


def samples_by_segment(pieces: list[Any]) -> dict[int, int]:
    found: dict[int, int] = {}
    for piece in pieces:
        samples = piece.get("samples", len(piece["payload"]) // 2)
        found[piece["segmentID"]] = found.get(piece["segmentID"], 0) + samples
    return found


async def test_speech_comes_as_opus_to_who_asks_encoded_once(
    start_server: Start, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    encode = OpusEncoder.encode

    def counted(self: OpusEncoder, samples: Any, rate: int, *, last: bool = False) -> Any:
        made.append(len(samples))
        return encode(self, samples, rate, last=last)

    monkeypatch.setattr(OpusEncoder, "encode", counted)
    server = start_server()
    speaker = await connect(server)
    room = await speaker.join(None, "speaker")
    await speaker.call("set_dynamic_config", {"targetLanguage": "spa"})
    plain, *small = [await connect(server) for _ in range(4)]
    for peer in (plain, *small):
        await peer.join(room, "listener")
        wish = {"targetLanguage": None if peer is small[0] else "spa", "output": "s2s"}
        wish |= {} if peer is plain else {"encoding": "opus"}
        assert (await peer.call("set_listener_config", wish))["status"] == "ok"
    await speaker.configure(buffer_limit=0)
    await speaker.speak(speech("human_short"))
    await speaker.call("stop_stream")
    for peer in (plain, *small):
        await peer.call("set_name", "x")
    pieces = plain.of("translation_speech")
    assert {piece["encoding"] for piece in pieces} == {"pcm16"}
    assert not {"preSkip", "samples"} & pieces[0].keys()
    sent = np.frombuffer(b"".join(piece["payload"] for piece in pieces), "<i2")
    assert len(made) == len(pieces)  # for three listeners
    for peer in small:
        encoded = peer.of("translation_speech")
        assert [piece["seq"] for piece in encoded] == [piece["seq"] for piece in pieces]
        assert {piece["encoding"] for piece in encoded} == {"opus"}
        reader = SpeechReader()
        got = np.concatenate([reader.read(piece).samples for piece in encoded])
        assert len(got) == len(sent)
        # Of speech from random weights, which is noise, Opus keeps what can be heard.
        assert np.corrcoef(got, sent)[0, 1] > 0.2
        # Each segment is whole when it ends: nothing of it waits for the next.
        assert samples_by_segment(encoded) == samples_by_segment(pieces)
        assert 8 * sum(len(piece["payload"]) for piece in encoded) < 2 * len(sent)


async def test_a_listener_that_comes_back_gets_the_opus_that_it_missed(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    speaker = await connect(shared_server)
    room = await speaker.join(None, "speaker")
    await speaker.call("set_dynamic_config", {"targetLanguage": "spa"})
    wish = {"targetLanguage": "spa", "output": "s2s", "encoding": "opus"}
    here, away = [await connect(shared_server, auth={"resumeKey": "k"}) for _ in range(2)]
    for peer in (here, away):
        await peer.join(room, "listener")
        await peer.call("set_listener_config", wish)
    await speaker.configure(buffer_limit=0)
    audio = speech("human_short")
    await speaker.speak(audio[: len(audio) // 2])
    await away.until("translation_speech")
    await away.sio.disconnect()
    await speaker.speak(audio[len(audio) // 2 :])
    await speaker.call("stop_stream")
    back = await connect(shared_server, away.client_id, auth={"resumeKey": "k"})
    for peer in (here, back):
        await peer.call("set_name", "x")
    whole = here.of("translation_speech")
    assert away.of("translation_speech") + back.of("translation_speech") == whole
