"""Finding the loss network, and fetching it from a real (local) server."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import platformdirs
import pytest

from styles.training import loss_network_file
from styles.training.loss_network_file import DownloadError, cached_path, download_file, find_loss_network

CONTENT = bytes(range(256)) * 12_000  # three chunks
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/none":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if self.path == "/half" else CONTENT)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda _: tmp_path / "cache")
    monkeypatch.delenv("NST_LIVE_LOSS_NETWORK", raising=False)
    return tmp_path / "cache"


def test_a_download_arrives_whole_with_its_progress(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "net.pth"
    download_file(f"{server}/net", path, SHA256[:8])
    assert path.read_bytes() == CONTENT
    assert "100 % MB 2" in capsys.readouterr().err
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("page", "prefix", "words"),
    [
        ("net", "00000000", "has the sha256 .* expected 00000000…: not the file we want"),
        ("none", SHA256[:8], "cannot download .*404"),
        ("half", SHA256[:8], "cannot download .*(ended after|IncompleteRead)"),
    ],
)
def test_nothing_is_left_of_a_bad_download(server: str, tmp_path: Path, page: str, prefix: str, words: str) -> None:
    with pytest.raises(DownloadError, match=words):
        download_file(f"{server}/{page}", tmp_path / "net.pth", prefix)
    assert not list(tmp_path.glob("net*"))


def test_no_server_is_told_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"cannot download http://127\.0\.0\.1:9/x: .*get the file by other means"):
        download_file("http://127.0.0.1:9/x", tmp_path / "net.pth", "00")


def test_the_given_file_comes_first_then_the_variable_then_the_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, named = tmp_path / "given.pth", tmp_path / "named.pth"
    for path in (given, named, cached_path()):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert cached_path() == cache / "vgg19-dcbb9e9d.pth"
    assert find_loss_network(None) == cached_path()
    monkeypatch.setenv("NST_LIVE_LOSS_NETWORK", str(named))
    assert find_loss_network(None) == named
    assert find_loss_network(given) == given


def test_no_loss_network_is_told_with_what_to_type() -> None:
    with pytest.raises(
        FileNotFoundError, match=r"no loss network at .*; give one with --loss-network FILE .*--download"
    ):
        find_loss_network(None)


def test_a_missing_file_that_was_named_is_not_downloaded(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no loss network at .*mine\.pth"):
        find_loss_network(tmp_path / "mine.pth", download=True)


def test_download_fills_the_cache(server: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_network_file, "TORCHVISION_URL", f"{server}/net")
    monkeypatch.setattr(loss_network_file, "SHA256_PREFIX", SHA256[:8])
    assert find_loss_network(None, download=True).read_bytes() == CONTENT
    monkeypatch.setattr(loss_network_file, "TORCHVISION_URL", f"{server}/none")
    assert find_loss_network(None, download=True) == cached_path()
