"""What a GPU, a net on it and the blend on it must offer, so that the order of things can be tested without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from numpy.typing import NDArray

from realtime.backends import Vector
from realtime.frames import Pixels

Buffer = TypeVar("Buffer")
Queue = TypeVar("Queue")
Event = TypeVar("Event")
_Buffer_contra = TypeVar("_Buffer_contra", contravariant=True)
# Enqueues the work of one slot's frame.
Launch = Callable[[], None]


class GpuDevice(Protocol[Buffer, Queue, Event]):
    """A GPU: memory, queues (CUDA streams) that work in order, and events that another queue or the host waits for.

    Everything on a queue is asynchronous. All calls are made inside `current()`, from any one thread at a time.
    """

    def current(self) -> AbstractContextManager[object]:
        """Makes the GPU's context that of this thread."""

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Returns host memory that the GPU can copy from and to by itself."""

    def buffer(self, shape: tuple[int, ...], dtype: Any) -> Buffer:
        """Returns memory of the GPU."""

    def queue(self) -> Queue:
        """Returns a new queue."""

    def event(self) -> Event:
        """Returns a new event."""

    def upload(self, target: Buffer, source: NDArray[Any], queue: Queue) -> None:
        """Enqueues a copy to the GPU."""

    def download(self, target: NDArray[Any], source: Buffer, queue: Queue) -> None:
        """Enqueues a copy from the GPU."""

    def copy(self, target: Buffer, source: Buffer, size: int, queue: Queue) -> None:
        """Enqueues a copy of `size` bytes within the GPU."""

    def record(self, event: Event, queue: Queue) -> None:
        """Has the event happen when the queue has done what is on it by now."""

    def queue_waits(self, queue: Queue, event: Event) -> None:
        """Has the queue start nothing that is enqueued from now on before the event."""

    def wait(self, event: Event) -> None:
        """Has the host wait for the event."""

    def drain(self, queue: Queue) -> None:
        """Has the host wait until the queue is empty."""

    def close(self) -> None:
        """Gives back the context; buffers are gone by then."""


class GpuNet(Protocol[_Buffer_contra, Queue]):
    """A net on the GPU. `queue` is the one that it computes on; `style_size` is 0 if its style is baked in."""

    queue: Queue
    style_size: int
    description: str

    def prepare(self, frame: _Buffer_contra, style: _Buffer_contra | None, painted: _Buffer_contra) -> Launch:
        """Returns a call that paints from and into these buffers; it may be called again and again."""

    def settle(self) -> None:
        """Waits until the net paints as fast as it will: some are made faster while they paint."""

    def close(self) -> None:
        """Gives back what the net holds."""


class GpuBlend(Protocol[_Buffer_contra, Queue]):
    """The blend of `build_engines.onnx.blend` on the GPU. `queue` is the one that it computes on, and no net."""

    queue: Queue

    def prepare(self, buffers: Mapping[str, _Buffer_contra]) -> Launch:
        """Returns a call that blends from and into these buffers, by the names of the graph's inputs and outputs."""

    def close(self) -> None:
        """Gives back what the blend holds."""


@dataclass
class Slot(Generic[Buffer, Event]):
    """The memory and events of one frame in flight.

    Args:
        frame_on_host: pinned memory, H x W x 3 uint8 RGB.
        painted_on_host: pinned memory, H x W x 3 uint8 RGB.
        style_on_host: pinned memory, float32[K].
        frame_on_gpu: H x W x 3 uint8 RGB.
        painted_on_gpu: H x W x 3 uint8 RGB.
        uploaded: the frame is on the GPU.
        computed: its painting is.
        downloaded: the result is on the host.
        launch: enqueues the net.
        launch_blend: enqueues the blend of its painting; None without one.
        is_downloading: whether the painting as it is was asked for.
    """

    frame_on_host: Pixels
    painted_on_host: Pixels
    style_on_host: Vector
    frame_on_gpu: Buffer
    painted_on_gpu: Buffer
    uploaded: Event
    computed: Event
    downloaded: Event
    launch: Launch
    launch_blend: Launch | None = None
    is_downloading: bool = False
