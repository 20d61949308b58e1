"""Opens what other programs see the painting as: a virtual camera, a source of NDI."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from realtime.audio.feed import AudioFeed
from realtime.queues import LEAVE_TIMEOUT_S, QueuePolicy, SinkQueue
from realtime.sinks.ndi import REPEAT_S, NdiSource
from realtime.sinks.virtual_camera import VirtualCamera
from realtime.sources.base import SourceInfo


@dataclass(frozen=True)
class ProgramOutputs:
    """What other programs are to see.

    Args:
        virtual_camera: the name of a virtual camera, "" for any, None for none.
        ndi: the name of a source of NDI, "" for the usual one, None for none.
        late_s: how much later the virtual camera shows its frames, in seconds.
    """

    virtual_camera: str | None = None
    ndi: str | None = None
    late_s: float = 0.0


def open_for_programs(
    info: SourceInfo, wanted: ProgramOutputs, stack: ExitStack, audio: AudioFeed | None, *, essential: bool
) -> Iterator[SinkQueue]:
    """Yields the queues of what is wanted.

    Args:
        info: what is known about the source.
        wanted: what to open.
        stack: closes it.
        audio: live audio, which NDI gets; None for none.
        essential: whether an error ends the run.

    Raises:
        VirtualCameraError: the virtual camera, or NDI, cannot be opened.
    """
    if wanted.virtual_camera is not None:
        camera = stack.enter_context(VirtualCamera(info.size, info.rate, wanted.virtual_camera, wanted.late_s))
        # two may wait, since source and device tick differently; what waits longer is old
        policy = QueuePolicy(essential=essential, capacity=2, repeat_s=0, leave_within_s=LEAVE_TIMEOUT_S)
        yield SinkQueue(camera, "virtual camera", policy, status=lambda: camera.status)
    if wanted.ndi is not None:
        queue = None if audio is None else audio.subscribe()
        source = stack.enter_context(NdiSource(info.size, info.rate, wanted.ndi, queue))
        policy = QueuePolicy(essential=essential, capacity=2, repeat_s=REPEAT_S, leave_within_s=LEAVE_TIMEOUT_S)
        yield SinkQueue(source, "NDI", policy, status=lambda: source.status)
