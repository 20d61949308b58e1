"""Any picture is a style: what the style encoder makes of a picture for a net, kept on the disk by its content."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from build_engines.onnx.cache import ready_onnx
from build_engines.onnx.options import PICTURE
from realtime.backends import Graph, Vector, open_graph
from realtime.frames import Pixels, Size
from realtime.media.photo import PhotoError, laid_on_white, read_photo
from realtime.queues import one_at_a_time
from styles.encoder_weights import LONG_SIDE, SHORT_SIDE, nets_of_heads
from styles.kept_picture import decoded_picture
from styles.registry import StyleMismatchError, encoder_path, network_path, network_sha256
from styles.support.atomic_file import write_atomically
from styles.support.user_folders import cache_folder
from styles.weights import file_sha256, read_metadata

# A picture that the encoder sees magnified by less or more than this tells it nothing about strokes.
SMALLEST_ZOOM, LARGEST_ZOOM = 0.25, 4.0
# Larger JPEGs are decoded smaller, which still is far more than the encoder sees.
_LONGEST_DECODED = 4096
# Increase this when other pixels are seen of the same picture.
_CACHE_VERSION = 1
# The graph keeps what it computes with.
_predicting = one_at_a_time()


@dataclass(frozen=True)
class SeenPicture:
    """A picture that may become a style; nothing is read of it before.

    Args:
        predict: returns its style vector, float32[K].
        read: returns the picture, H x W x 3 uint8 RGB.
    """

    predict: Callable[[], Vector]
    read: Callable[[], Pixels]


class StylePredictor:
    """Predicts the style vectors of pictures for one net. What was predicted once is read from the user's cache folder.

    Args:
        network: the name of the net.
        zoom: from how near the pictures are looked at: 2 sees details twice as large, and may see only the middle.

    Raises:
        StyleMismatchError: there is no encoder for this training of the net; the text says what to type.
        UnknownStyleError: there is no net of that name.
        WeightsError: the encoder's file is damaged.
    """

    def __init__(self, network: str, zoom: float = 1.0) -> None:
        self._network, self._zoom = network, zoom
        self._encoder = _fitting_encoder(network)

    def filed(self, path: Path) -> SeenPicture:
        """Returns the picture in a file, as `of_file` sees it."""
        return SeenPicture(lambda: self.of_file(path), lambda: _pixels_of(path))

    def kept(self, read: Callable[[], bytes]) -> SeenPicture:
        """Returns the picture whose bytes `read` returns, as `of_kept` sees it."""
        return SeenPicture(lambda: self.of_kept(read()), lambda: decoded_picture(read()))

    def of_file(self, path: Path) -> Vector:
        """Returns the style vector of a picture file, float32[K].

        Raises:
            PhotoError: the file is missing, or not a picture that can be read.
            BackendUnavailableError: nothing here can run the encoder.
            NoExporterError: the encoder has no ONNX file yet, and the package that writes it is missing.
        """
        if not path.is_file():
            raise PhotoError(f"no file {path}")
        try:
            content = file_sha256(path)
        except OSError as exc:
            raise PhotoError(f"{path} cannot be read: {exc.strerror or exc}") from exc
        return self._cached(content, lambda: _pixels_of(path))

    def of_kept(self, data: bytes) -> Vector:
        """Returns the style vector of a picture as style files and packs keep it.

        Args:
            data: the bytes of a WebP, JPEG or PNG.

        Raises WeightsError if they cannot be read, and what `of_file` raises of the encoder.
        """
        return self._cached(hashlib.sha256(data).hexdigest(), lambda: decoded_picture(data))

    def warm_up(self, size: Size) -> None:
        """Loads the encoder and looks at nothing, so that a picture of that width and height is predicted sooner."""
        self._predicted(np.zeros((size[1], size[0], 3), np.uint8))

    def _cached(self, content: str, read: Callable[[], Pixels]) -> Vector:
        """Returns the vector of a picture from the cache, or predicts it and keeps it there.

        Args:
            content: the checksum of the file.
            read: returns the pixels.
        """
        facts = (_CACHE_VERSION, content, network_sha256(self._encoder), self._network, f"{self._zoom:g}")
        key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        file = _cache_folder() / f"{key}.f32"
        with suppress(OSError, ValueError):
            vector = np.frombuffer(file.read_bytes(), np.dtype("<f4")).astype(np.float32)
            if vector.size and np.isfinite(vector).all():
                return vector
        vector = self._predicted(read())
        with suppress(OSError):  # without a cache it is only slower
            write_atomically(file, vector.astype("<f4").tobytes())
        return vector

    def _predicted(self, pixels: Pixels) -> Vector:
        seen = seen_pixels(pixels, self._zoom)
        with _predicting:
            vectors = _graph(self._encoder, network_sha256(self._encoder))({PICTURE: seen[None]})
        return vectors[self._network]


def seen_pixels(pixels: Pixels, zoom: float = 1.0) -> Pixels:
    """Returns what the encoder sees of a picture: scaled to the short side that it was trained for.

    Of long pictures, and of those looked at from near, it sees the middle.

    Args:
        pixels: H x W x 3 uint8 RGB.
        zoom: a factor for the scale.
    """
    height, width = pixels.shape[:2]
    scale = zoom * SHORT_SIDE / min(height, width)
    # the smallest zoom leaves the encoder the 32 pixels that it needs at least
    size = [max(1, min(LONG_SIDE, round(side * scale))) for side in (width, height)]
    half = [min(side, seen / scale) / 2 for side, seen in zip((width, height), size, strict=True)]
    box = (width / 2 - half[0], height / 2 - half[1], width / 2 + half[0], height / 2 + half[1])
    image = Image.fromarray(pixels)
    return np.array(image.resize((size[0], size[1]), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0))


def _fitting_encoder(network: str) -> Path:
    """Returns the encoder's weights file. Raises StyleMismatchError if it is not for the net as it is now."""
    encoder, net = encoder_path(), network_path(network)
    train = f"nst-train PICTURE --photos DIR --net {network}"
    if encoder is None:
        raise StyleMismatchError(f"there is no style encoder, so a picture is no style yet; train one with: {train}")
    nets: Mapping[str, str] = nets_of_heads(encoder, read_metadata(encoder))
    if network not in nets:
        raise StyleMismatchError(
            f"the style encoder predicts styles of the nets {', '.join(nets) or 'none'}, not of {network!r}; "
            f"train a style of your picture with: {train}"
        )
    if nets[network] != network_sha256(net):
        raise StyleMismatchError(
            f"the style encoder {encoder} belongs to another version of the net {network!r} than {net}; "
            f"train a style of your picture with: {train}"
        )
    return encoder


def _pixels_of(path: Path) -> Pixels:
    try:
        return laid_on_white(read_photo(path, _LONGEST_DECODED)).pixels
    except PhotoError as exc:
        if str(path) in str(exc):
            raise
        raise PhotoError(f"{path} cannot be a style: {exc}") from exc


def _cache_folder() -> Path:
    return cache_folder() / "predictions"


@functools.lru_cache(maxsize=1)
def _graph(encoder: Path, _sha256: str) -> Graph:
    return open_graph(ready_onnx(encoder))
