"""Where paintings go besides the window: opens what was asked for, each behind a queue of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime.app.progress import tell
from realtime.audio.feed import AudioQueue
from realtime.media.encoders import Encoding
from realtime.queues import PATIENCE_S, SinkQueue
from realtime.sinks.recorder import Recorder
from realtime.sinks.replay import Replay
from realtime.sinks.resumable_recorder import ResumableRecorder
from realtime.sinks.stream import REPEAT_S, Stream
from realtime.sinks.virtual_camera import VirtualCamera
from realtime.sources.base import Source


@dataclass(frozen=True)
class OpenSinks:
    """The queues that the show writes into, and the recorder and the replay behind two of them."""

    queues: Sequence[SinkQueue] = ()
    recorder: Recorder | ResumableRecorder | None = None
    replay: Replay | None = None

    @property
    def resume_state(self) -> ResumableRecorder | None:
        """What earlier runs have done, where the file is painted in segments."""
        return self.recorder if isinstance(self.recorder, ResumableRecorder) else None

    def finish(self, complete: bool) -> None:
        """Writes what waits; `complete`: the source was painted to its end, so that its sound belongs there whole."""
        for queue in self.queues:
            queue.finish()
        if self.recorder is not None and complete:
            self.recorder.finish_sound()


def open_sinks(
    source: Source,
    stack: ExitStack,
    *,
    output: Path | None,
    encoding: Encoding,
    stream: str | None,
    stream_bit_rate: int | None = None,
    virtual_camera: str | None,
    replay_s: float,
    watched: bool,
    facts: Mapping[str, str] | None = None,
) -> OpenSinks:
    """Opens the sinks asked for, closed with `stack`; `virtual_camera` is a device, "" for any, None for none.
    `replay_s`: how much the replay holds, 0 for none; only who watches can ask for it. `facts`: of a file that is
    painted in segments, so that it can be gone on with.

    Not `watched`, a show whose only outlet fails has no purpose left and fails with it. Raises OutputError,
    VirtualCameraError.
    """
    essential = not watched and sum(each is not None for each in (output, stream, virtual_camera)) == 1
    queues: list[SinkQueue] = []
    recorder: Recorder | ResumableRecorder | None = None
    replay: Replay | None = None
    if virtual_camera is not None:
        camera = stack.enter_context(VirtualCamera(source.size, source.rate, virtual_camera))
        # two may wait: source and device tick differently, and what waits longer is old
        queues.append(
            SinkQueue(
                camera,
                "virtual camera",
                essential=essential,
                capacity=2,
                repeat_s=0,
                status=lambda: camera.status,
                leave_within_s=PATIENCE_S,
            )
        )
    if stream is not None:
        sender = stack.enter_context(Stream(stream, source.size, source.rate, _ear(source), stream_bit_rate))
        queues.append(
            SinkQueue(
                sender,
                "stream",
                repeat_s=REPEAT_S,
                status=lambda: sender.status,
                hurry=sender.hurry,
                leave_within_s=PATIENCE_S,
            )
        )
    if output is not None:
        recorder = _open_recorder(output, source, encoding, facts)
        stack.enter_context(recorder)
        queues.append(SinkQueue(recorder, "recorder", lossless=not source.live, essential=essential))
    if watched and replay_s:
        replay = stack.enter_context(Replay(source.size, source.rate, replay_s, _ear(source)))
        queues.append(SinkQueue(replay, "replay"))
    for queue in queues:
        stack.enter_context(queue)
    return OpenSinks(tuple(queues), recorder, replay)


def _open_recorder(
    output: Path, source: Source, encoding: Encoding, facts: Mapping[str, str] | None
) -> Recorder | ResumableRecorder:
    given: dict[str, Any] = {
        "sound_of": source.sound,
        "encoding": encoding,
        "presentation": source.presentation,
    }
    recorder: Recorder | ResumableRecorder
    if facts is not None:
        recorder = ResumableRecorder(output, source.size, source.rate, source.time_base, facts=facts, **given)
    else:
        # a live source's frames are stamped as they come
        time_base = None if source.live else source.time_base
        recorder = Recorder(output, source.size, source.rate, time_base, fast=source.live, ear=_ear(source), **given)
    for note in recorder.notes:
        tell(f"{source.name}: {note}")
    return recorder


def _ear(source: Source) -> AudioQueue | None:
    """Returns a listener to what is heard of a live source, if anything is."""
    return source.heard.ear() if source.live and source.heard is not None else None
