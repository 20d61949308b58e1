"""Where the loss network's file lies on this computer, and how it gets there. Needs no torch."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

import platformdirs

from styles.support.atomic_file import atomic_path
from styles.support.progress import progress_display

LOSS_NETWORK_VARIABLE = "NST_LIVE_LOSS_NETWORK"
TORCHVISION_URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
TORCHVISION_FILE = "vgg19-dcbb9e9d.pth"
# torchvision's file names carry the first eight digits of the file's sha256.
SHA256_PREFIX = "dcbb9e9d"
_CHUNK_BYTES = 1 << 20
# A server that says nothing for so long says nothing more.
_TIMEOUT_S = 30


class DownloadError(OSError):
    """The loss network could not be downloaded, or what came is something else."""


def cached_path() -> Path:
    """Returns where a downloaded loss network lies."""
    return platformdirs.user_cache_path("nst-live") / TORCHVISION_FILE


def find_loss_network(given: Path | None, download: bool = False) -> Path:
    """Returns the loss network's file: the given one, $NST_LIVE_LOSS_NETWORK, or the downloaded one.

    Raises FileNotFoundError, saying how to get it, and DownloadError.
    """
    named = given or (Path(os.environ[LOSS_NETWORK_VARIABLE]) if os.environ.get(LOSS_NETWORK_VARIABLE) else None)
    path = named or cached_path()
    if path.is_file():
        return path
    if named is None and download:
        download_file(TORCHVISION_URL, path, SHA256_PREFIX)
        return path
    raise FileNotFoundError(
        f"no loss network at {path}; give one with --loss-network FILE or ${LOSS_NETWORK_VARIABLE}, or let "
        f"--download fetch torchvision's VGG-19 (548 MB) from {TORCHVISION_URL}"
    )


def download_file(url: str, path: Path, sha256_prefix: str) -> None:
    """Writes what `url` holds to `path`; a half or wrong file is never left there. Raises DownloadError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        try:
            sha256 = _fetch(url, partial)
        except (urllib.error.URLError, http.client.HTTPException, OSError) as exc:
            raise DownloadError(
                f"cannot download {url}: {exc}; get the file by other means and put it at {path}"
            ) from exc
        if not sha256.startswith(sha256_prefix):
            raise DownloadError(f"{url} has the sha256 {sha256[:16]}…, expected {sha256_prefix}…: not the file we want")


def _fetch(url: str, path: Path) -> str:
    """Writes what `url` holds to `path` and returns its sha256."""
    digest = hashlib.sha256()
    answer = urllib.request.urlopen(url, timeout=_TIMEOUT_S)  # noqa: S310 - our own address, or a test's
    with answer, path.open("wb") as file, progress_display("MB") as report:
        total = int(answer.headers.get("Content-Length") or 0)
        done = 0
        while chunk := answer.read(_CHUNK_BYTES):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            report(done >> 20, done / total if total else 0.0, {})
    if done < total:
        raise OSError(f"the connection ended after {done} of {total} bytes")
    return digest.hexdigest()
