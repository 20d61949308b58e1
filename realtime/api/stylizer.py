"""Paints frames and images: `Stylizer` is what a program calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, overload

from realtime.api.checks import checked_number, checked_seconds, checked_share
from realtime.api.painting import ImagePainting, VideoPainting, load_choice
from realtime.api.video_source import VideoSource
from realtime.backends import BACKENDS
from realtime.frames import Frame, Pixels
from realtime.session import DEFAULT_STEADINESS, SMALLEST_BRUSH
from realtime.stylize.colors import coloring
from realtime.stylize.prediction import LARGEST_ZOOM, SMALLEST_ZOOM
from realtime.stylize.styles import DEFAULT_STYLE
from realtime.stylize.stylizer import Look

# How long a frame is waited for before Ctrl-C is looked for, which not every system does by itself.
_POLL_S = 0.5


class Stylizer:
    """Paints frames of video and single images. A context manager; nets are loaded when they are first needed.

    Call it with a `Frame` of a source, or with an image. Frames are painted as `nst-live` paints them: held steady
    against flicker, and faded from one style to the next. An image is painted for itself, whatever came before.

    Args:
        style: a style by name, any picture, a .safetensors or .onnx file, or a mix of them with their weights, e.g.
            {"wave": 0.6, "postcard.jpg": 0.4}.
        net: which net paints: "full", "fast", another one by name, or "auto" for what suits the backend.
        backend: what runs the net: "tensorrt", "openvino", "onnxruntime", "pytorch", or "auto" for the best one here.
        strength: how strongly to paint, from 0 for the frame itself to 1 for the painting alone.
        keep_colors: whether to keep the colors of the frame, and take only brightness from the painting.
        colors: whose colors the painting has: "style", "source" for those of the frame, or any picture; None leaves it
            to `keep_colors`.
        style_zoom: from how near style pictures are looked at, from 0.25 to 4; 2 sees their details twice as large.
        brush: the scale at which the net paints, from 0.25 to 1; 0.5 gives strokes twice as large.
        steady: how firmly to hold the painting against flicker, from 0 for not at all to 1.
        mirror: whether to swap left and right.
        fade: how long a change of style takes, in seconds; 0 for a cut.

    `strength`, `keep_colors`, `colors`, `steady` and `mirror` may be set later, too, and hold from the next frame on.

    Raises:
        UnknownStyleError: there is no such style or net; the text names the nearest.
        MixError: the styles cannot be mixed.
        StyleMismatchError: the style was trained with another version of its net, or no picture can be one of that net.
        WeightsError: a style file is damaged.
        OnnxFileError: an .onnx file is not a net that paints.
        PhotoError: a picture is missing, damaged or of an unknown format.
        NoExporterError: the net has no ONNX file yet, and the package that writes it is missing.
        FileNotFoundError: there is no such file.
        BackendUnavailableError: the backend cannot run here; the text says why and what to type.
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        style: str | Path | Mapping[str, float] = DEFAULT_STYLE,
        *,
        net: str = "auto",
        backend: str = "auto",
        strength: float = 1.0,
        keep_colors: bool = False,
        steady: float = DEFAULT_STEADINESS,
        mirror: bool = False,
        fade: float = 0.5,
        style_zoom: float = 1.0,
        brush: float = 1.0,
        colors: str | Path | None = None,
    ) -> None:
        if backend not in ("auto", *BACKENDS):
            raise ValueError(f"backend is {backend!r}, expected one of auto, {', '.join(BACKENDS)}")
        self._net, self._zoom = net, checked_number("style_zoom", style_zoom, SMALLEST_ZOOM, LARGEST_ZOOM)
        if colors is not None and keep_colors:
            raise ValueError("keep_colors is short for colors='source'; expected one of the two")
        self._look = Look(
            checked_share("strength", strength),
            mirrored=mirror,
            steadiness=checked_share("steady", steady),
            net_scale=checked_number("brush", brush, SMALLEST_BRUSH, 1.0),
        )
        self._video = VideoPainting(backend, checked_seconds("fade", fade))
        self._images = ImagePainting(backend, net, self._zoom)
        self.colors = "source" if keep_colors else colors or "style"
        self.style = style

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the nets; painting again loads them again."""
        self._video.close()
        self._images.close()

    @property
    def style(self) -> str | Path | Mapping[str, float]:
        """The style, as it was given. A new one fades in from the next frame on.

        Setting it raises what the constructor raises, and then the style stays.
        """
        return self._style

    @style.setter
    def style(self, style: str | Path | Mapping[str, float]) -> None:
        self._loaded = load_choice(style, self._net, self._video.backend, self._zoom)
        self._style = style

    @property
    def strength(self) -> float:
        """How strongly to paint, 0..1."""
        return self._look.strength

    @strength.setter
    def strength(self, strength: float) -> None:
        self._look = replace(self._look, strength=checked_share("strength", strength))

    @property
    def keep_colors(self) -> bool:
        """Whether the colors of the frame are kept."""
        return self._look.keep_colors

    @keep_colors.setter
    def keep_colors(self, keep_colors: bool) -> None:
        self.colors = "source" if keep_colors else "style"

    @property
    def colors(self) -> str | Path:
        """Whose colors the painting has, as it was given: "style", "source", or a picture.

        Setting it raises PhotoError for a picture that cannot be read, and then the colors stay.
        """
        return self._colors

    @colors.setter
    def colors(self, colors: str | Path) -> None:
        chosen = coloring(str(colors))
        self._look = replace(self._look, keep_colors=chosen.of_source, palette=chosen.palette)
        self._colors = colors

    @property
    def steady(self) -> float:
        """How firmly the painting is held against flicker, 0..1."""
        return self._look.steadiness

    @steady.setter
    def steady(self, steady: float) -> None:
        self._look = replace(self._look, steadiness=checked_share("steady", steady))

    @property
    def mirror(self) -> bool:
        """Whether left and right are swapped."""
        return self._look.mirrored

    @mirror.setter
    def mirror(self, mirror: bool) -> None:
        self._look = replace(self._look, mirrored=mirror)

    @property
    def backend(self) -> str:
        """What runs the net, e.g. "openvino"; "auto" may still move on to another one with the first frame."""
        return self._video.backend

    @property
    def net(self) -> str:
        """The net that paints the style, e.g. "fast"."""
        return self._loaded.net.name

    @overload
    def __call__(self, picture: Frame) -> Frame: ...

    @overload
    def __call__(self, picture: Pixels, at_s: float | None = None) -> Pixels: ...

    def __call__(self, picture: Frame | Pixels, at_s: float | None = None) -> Frame | Pixels:
        """Returns a frame or an image painted, and as large as before.

        Args:
            picture: a `Frame`, or H x W x 3 uint8 RGB of any size, which is not changed.
            at_s: makes an array the next frame of a video, which is held steady and faded: when it was captured, in
                seconds on any clock that goes forward, e.g. `time.monotonic()`. None for a single image.

        Returns:
            A `Frame` with the painted pixels and the times of the given one, or an array like the given one.

        Raises:
            BackendUnavailableError: the net cannot be loaded for frames of this size.
            BandError: the image is huge, and its net cannot paint it in bands.
            TypeError: the pixels are not a uint8 array.
            ValueError: they have another shape.
        """
        if isinstance(picture, Frame):
            return self._paint(picture)
        if at_s is None:
            return self._images.paint(picture, self._style, self._look)
        return self._paint(Frame(picture, 0, at_s)).pixels

    def stream(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yields frames painted as calling with each would paint them, but faster: several of them at once.

        While you use one, the next ones are painted. Frames of a live source are painted one at a time, since a second
        one would only grow old while it waits.

        Args:
            frames: a `VideoSource`, or any frames in order.

        Raises:
            BackendUnavailableError: the net cannot be loaded for frames of this size.
            Exception: what `frames` raises, after the frames that came before.
        """
        self._check_idle()
        feed: _Feed
        if isinstance(frames, VideoSource):
            feed = frames
            # a live source goes on while a net is loaded, so it is loaded before the first frame is asked for
            self._video.load(self._loaded.net, frames.size, self._look.net_scale, for_files=not frames.live)
        else:
            feed = _IteratedFrames(frames)
        error: Exception | None = None
        try:
            while True:
                error = error or self._fill(feed, wait_s=_POLL_S)
                if self._video.in_flight:
                    painted = self._video.finish(self._look)
                    error = error or self._fill(feed, wait_s=0)
                    yield painted
                elif error is not None:
                    raise error
                elif feed.ended:
                    return
        finally:
            self._video.withdraw()

    def _fill(self, feed: _Feed, wait_s: float) -> Exception | None:
        """Starts as many frames as may be in flight, and waits for one only if none is; returns the error that came."""
        try:
            while not self._video.in_flight or (not feed.live and self._video.in_flight < self._video.depth):
                frame = feed.take(0 if self._video.in_flight else wait_s)
                if frame is None:
                    return None
                self._video.start(frame, self._loaded, self._look)
        except Exception as exc:  # `stream` raises it once the frames before are painted
            return exc
        return None

    def _paint(self, frame: Frame) -> Frame:
        self._check_idle()
        self._video.start(frame, self._loaded, self._look)
        return self._video.finish(self._look)

    def _check_idle(self) -> None:
        if self._video.in_flight:
            raise RuntimeError("a stream is being painted; end it first, or use another Stylizer")


class _Feed(Protocol):
    """Frames to be painted; `VideoSource` is one."""

    @property
    def live(self) -> bool: ...

    @property
    def ended(self) -> bool: ...

    def take(self, timeout_s: float | None = None) -> Frame | None: ...


class _IteratedFrames:
    """Frames of any iterable, which are always waited for."""

    live = False

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames = iter(frames)
        self.ended = False

    def take(self, timeout_s: float | None = None) -> Frame | None:  # noqa: ARG002 - an iterable knows no limit
        frame = next(self._frames, None)
        self.ended = frame is None
        return frame
