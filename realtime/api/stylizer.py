"""Paints frames and images: `Stylizer` is what a program calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, overload

import numpy as np

from realtime.api.checks import check_pixels, checked_seconds, checked_share
from realtime.api.video_source import VideoSource
from realtime.backends import BACKENDS, FOR_ONE_SIZE, Backend, BackendUnavailableError, choose_backend
from realtime.frames import Frame, Pixels
from realtime.media.photo import Photo
from realtime.stylize.mixing import MixError, mix_by_name
from realtime.stylize.photo_painter import PhotoLook, PhotoPainter
from realtime.stylize.stabilizer import DEFAULT_STEADINESS
from realtime.stylize.styles import DEFAULT_STYLE, LoadedStyle, load_paintings, load_styles, network_for
from realtime.stylize.stylizer import Look
from realtime.stylize.stylizer import Stylizer as FrameStylizer


class Stylizer:
    """Paints frames of video and single images. A context manager; nets are loaded when they are first needed.

    Call it with a `Frame` of a source, or with an image. Frames are painted as `nst-live` paints them: held steady
    against flicker, and faded from one style to the next. An image is painted for itself, whatever came before.

    Args:
        style: a style by name, a .safetensors or .onnx file, or a mix of styles with their weights, e.g.
            {"wave": 0.6, "udnie": 0.4}.
        net: which net paints: "full", "fast", another one by name, or "auto" for what suits the backend.
        backend: what runs the net: "tensorrt", "openvino", "onnxruntime", "pytorch", or "auto" for the best one here.
        strength: how strongly to paint, from 0 for the frame itself to 1 for the painting alone.
        keep_colors: whether to keep the colors of the frame, and take only brightness from the painting.
        steady: how firmly to hold the painting against flicker, from 0 for not at all to 1.
        mirror: whether to swap left and right.
        fade: how long a change of style takes, in seconds; 0 for a cut.

    `strength`, `keep_colors`, `steady` and `mirror` are attributes too, which hold from the next frame on.

    Raises:
        UnknownStyleError: there is no such style or net; the text names the nearest.
        MixError: the styles cannot be mixed.
        StyleMismatchError: the style was trained with another version of its net.
        WeightsError: a style file is damaged.
        OnnxFileError: an .onnx file is not a net that paints.
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
    ) -> None:
        if backend not in ("auto", *BACKENDS):
            raise ValueError(f"backend is {backend!r}, expected one of auto, {', '.join(BACKENDS)}")
        self._asked_net, self._asked_backend = net, backend
        self._look = Look(
            checked_share("strength", strength), keep_colors, mirror, steadiness=checked_share("steady", steady)
        )
        self._fade_s = checked_seconds("fade", fade)
        self._backend = choose_backend(backend).backend
        self._unusable: dict[str, str] = {}
        self._frames: FrameStylizer | None = None
        self._for_files = False
        self._last_at_s = 0.0
        self._images: PhotoPainter | None = None
        self.style = style

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the nets; whoever paints again loads them again."""
        self._close_frames()
        self._close_images()

    @property
    def style(self) -> str | Path | Mapping[str, float]:
        """The style, as it was given. A new one fades in from the next frame on.

        Setting it raises what the constructor raises, and then the style stays.
        """
        return self._style

    @style.setter
    def style(self, style: str | Path | Mapping[str, float]) -> None:
        self._loaded = _load(style, network_for(self._asked_net, self._backend.name))
        self._style = style
        self._image_style: LoadedStyle | None = None

    @property
    def strength(self) -> float:
        """How strongly to paint, 0..1."""
        return self._look.strength

    @strength.setter
    def strength(self, strength: float) -> None:
        self._look = replace(self._look, strength=checked_share("strength", strength))
        self._close_images()

    @property
    def keep_colors(self) -> bool:
        """Whether the colors of the frame are kept."""
        return self._look.keep_colors

    @keep_colors.setter
    def keep_colors(self, keep_colors: bool) -> None:
        self._look = replace(self._look, keep_colors=keep_colors)
        self._close_images()

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
        self._close_images()

    @property
    def backend(self) -> str:
        """What runs the net, e.g. "openvino". "auto" may still move on to another one with the first frame."""
        return self._backend.name

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
            return self._paint_image(picture)
        return self._paint(Frame(picture, 0, at_s)).pixels

    def stream(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yields frames painted, as calling with each would paint them, and faster: several of them at once.

        While one is used, the next ones are painted. Of a live source only one is, since an older one would only wait.

        Args:
            frames: a `VideoSource`, or any frames in order.

        Raises:
            BackendUnavailableError: the net cannot be loaded for frames of this size.
            Exception: what `frames` raises, after the frames that came before.
        """
        self._check_idle()
        feed: _Feed = frames if isinstance(frames, VideoSource) else _IteratedFrames(frames)
        error: Exception | None = None
        try:
            while True:
                error = error or self._fill(feed, wait=True)
                if self._in_flight:
                    painted = self._finish()
                    error = error or self._fill(feed, wait=False)
                    yield painted
                elif error is not None:
                    raise error
                elif feed.ended:
                    return
        finally:
            if self._frames is not None:
                self._frames.withdraw()

    def _fill(self, feed: _Feed, *, wait: bool) -> Exception | None:
        """Starts frames until enough are in flight or none comes at once; returns the error that ended them, if any."""
        try:
            while not self._in_flight or self._in_flight < self._depth(feed):
                frame = feed.take(_POLL_S if wait and not self._in_flight else 0)
                if frame is None:
                    return None
                self._start(frame)
        except Exception as exc:  # raised by `stream`, once what came before is painted
            return exc
        return None

    def _depth(self, feed: _Feed) -> int:
        return 1 if feed.live or self._frames is None else self._frames.depth

    @property
    def _in_flight(self) -> int:
        return 0 if self._frames is None else self._frames.in_flight

    def _paint(self, frame: Frame) -> Frame:
        self._check_idle()
        self._start(frame)
        return self._finish()

    def _check_idle(self) -> None:
        if self._in_flight:
            raise RuntimeError("a stream is being painted; end it first, or use another Stylizer")

    def _start(self, frame: Frame) -> None:
        check_pixels(frame.pixels)
        stylizer = self._stylizer_for(frame)
        stylizer.look = self._look
        stylizer.start(frame, self._loaded)

    def _finish(self) -> Frame:
        assert self._frames is not None
        self._frames.look = self._look
        painted = self._frames.finish()
        return replace(painted.frame, pixels=painted.pixels)

    def _stylizer_for(self, frame: Frame) -> FrameStylizer:
        """Returns what paints the frame, with the net loaded for its size."""
        # frames of files have times of their own, and nobody waits for one of them
        for_files = frame.time is not None
        if self._frames is not None and for_files != self._for_files and not self._in_flight:
            self._close_frames()
        if self._frames is None:
            self._for_files = for_files
            self._frames = FrameStylizer(self._suited(self._backend), self._look, fade_s=self._fade_s)
        at_s = frame.captured_at_s if frame.time is None else float(frame.time)
        if at_s < self._last_at_s:
            self._frames.restart()
        self._last_at_s = at_s
        self._load_net(self._frames, frame.size)
        return self._frames

    def _load_net(self, stylizer: FrameStylizer, size: tuple[int, int]) -> None:
        """Loads the net; for "auto" the next backend is taken if one turns out not to work."""
        net = self._loaded.net
        try:
            stylizer.painter(net, size)
            return
        except BackendUnavailableError as exc:
            if self._asked_backend != "auto":
                raise
            self._unusable[self._backend.name] = str(exc)
        while True:
            self._backend = choose_backend("auto", self._unusable).backend
            try:
                stylizer.change_backend(self._suited(self._backend), net, size)
            except BackendUnavailableError as exc:
                self._unusable[self._backend.name] = str(exc)
            else:
                return

    def _suited(self, backend: Backend) -> Backend:
        return backend.for_files() if self._for_files else backend

    def _close_frames(self) -> None:
        if self._frames is not None:
            self._frames.close()
            self._frames = None

    def _paint_image(self, pixels: Pixels) -> Pixels:
        check_pixels(pixels)
        if self._images is None:
            # an engine of TensorRT is for one size, and images come in all sizes
            self._image_backend = choose_backend(self._asked_backend, FOR_ONE_SIZE).backend
            look = PhotoLook(self._look.strength, self._look.keep_colors, self._look.mirrored)
            self._images = PhotoPainter(self._image_backend, look)
        if self._image_style is None:
            self._image_style = _load(self._style, network_for(self._asked_net, self._image_backend.name))
        return self._images.paint(Photo(pixels), self._image_style).pixels

    def _close_images(self) -> None:
        if self._images is not None:
            self._images.close()
            self._images = None


# How long a frame is waited for before Ctrl-C is looked for.
_POLL_S = 0.5


class _Feed(Protocol):
    """Frames to be painted; `VideoSource` is one."""

    @property
    def live(self) -> bool: ...

    @property
    def ended(self) -> bool: ...

    def take(self, timeout_s: float | None = None) -> Frame | None: ...


class _IteratedFrames:
    """Frames of an iterable, which are always waited for."""

    live = False

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames = iter(frames)
        self.ended = False

    def take(self, timeout_s: float | None = None) -> Frame | None:  # noqa: ARG002 - an iterable knows no limit
        frame = next(self._frames, None)
        self.ended = frame is None
        return frame


def _load(style: str | Path | Mapping[str, float], network: str) -> LoadedStyle:
    """Returns a style, or a mix of styles, ready to be painted."""
    if isinstance(style, Mapping):
        if not style or not all(weight > 0 and np.isfinite(weight) for weight in style.values()):
            raise MixError(
                f"{dict(style)} is not a mix; expected weights above 0 by name, e.g. {{'wave': 0.6, 'udnie': 0.4}}"
            )
        return mix_by_name(style, load_paintings(network))
    styles, index = load_styles(str(style), network)
    return styles[index]
