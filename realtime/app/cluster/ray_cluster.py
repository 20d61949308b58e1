"""A Ray cluster, this machine's own or another: orders go in, and what becomes of them comes back."""

from __future__ import annotations

import importlib.util
import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from realtime.app.cluster.errors import NodeLostError, RayUnavailableError
from realtime.app.cluster.node import carry_out
from realtime.app.cluster.node_painting import THREADS
from realtime.app.cluster.orders import Item, Order
from realtime.app.cluster.shipped_styles import ShippedStyles
from styles.support.silent_imports import import_ray

# Always on a GPU; the others run there if the cluster has any.
_ON_GPU, _ALSO_ON_GPU = ("tensorrt",), ("pytorch", "onnxruntime")
# How many items may wait for whoever gave the order.
_MOST_WAITING = 16
# Sockets lie in a folder of Ray's, and their whole paths have 107 bytes at most, on macOS 103.
_LONGEST_FOLDER = 40
_CONNECT_S = 10.0
_ENDING_S = 3.0
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@dataclass(frozen=True, eq=False)
class RunningOrder:
    """An order on its way: `generator` is Ray's."""

    order: Order
    generator: Any


class RayCluster:
    """Carries out orders on the nodes. A context manager; leaving it ends all that still runs.

    Args:
        address: of the cluster's head, "auto" for the cluster that runs on this machine; "" to start Ray for this
            process alone.
        styles: what to paint in.

    Raises:
        RayUnavailableError: Ray is not installed, or there is no such cluster, or no node can take an order.
    """

    def __init__(self, address: str, styles: ShippedStyles) -> None:
        if importlib.util.find_spec("ray") is None:
            raise RayUnavailableError('--ray needs Ray; type: pip install "nst-live[ray]"')
        self._ray: Any = import_ray()
        self._folder = None if address else _short_folder()
        try:
            with _signals_kept():
                self._start(address)
            self._needs = self._needs_of(styles.backend)
            self._styles = self._ray.put(styles)
            remote = self._ray.remote(max_retries=0, num_returns="streaming", **self._needs)
            self._carry_out: Any = remote(carry_out)
        except BaseException:
            self._stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def nodes(self) -> int:
        """How many nodes there are now."""
        return sum(bool(node["Alive"]) for node in self._ray.nodes())

    @property
    def slots(self) -> int:
        """How many orders the nodes can carry out at once."""
        return sum(_slots(node["Resources"], self._needs) for node in self._ray.nodes() if node["Alive"])

    def ship(self, path: Path) -> object:
        """Puts a file where all nodes can read it, and returns what stands for it."""
        return self._ray.put(np.fromfile(path, np.uint8))

    def begin(self, order: Order, file: object = None) -> RunningOrder:
        """Has an order carried out.

        Args:
            order: what to paint.
            file: what `ship` has returned for the file; None if the nodes see it.
        """
        options = {"_generator_backpressure_num_objects": _MOST_WAITING}
        return RunningOrder(order, self._carry_out.options(**options).remote(order, self._styles, file, self._folder))

    def ready(self, running: Sequence[RunningOrder], timeout_s: float) -> Sequence[RunningOrder]:
        """Returns the orders of which something has come back, after a while perhaps none.

        Args:
            running: the orders.
            timeout_s: how long to wait, in seconds.
        """
        by_generator = {id(each.generator): each for each in running}
        found, _ = self._ray.wait([each.generator for each in running], num_returns=1, timeout=timeout_s)
        return [by_generator[id(each)] for each in found]

    def take(self, running: RunningOrder) -> Item | None:
        """Returns the next thing that has come back of an order; None if that was all.

        Raises:
            NodeLostError: the node has ended.
            RuntimeError: what runs there has failed in a way that nobody expected.
        """
        try:
            item: Item = self._ray.get(next(running.generator))
        except StopIteration:
            return None
        except self._ray.exceptions.RayTaskError as exc:
            lines = str(exc).strip().splitlines()
            raise RuntimeError(f"a node failed: {lines[-1] if lines else type(exc).__name__}") from exc
        except self._ray.exceptions.RayError as exc:
            raise NodeLostError(type(exc).__name__) from exc
        return item

    def cancel(self, running: RunningOrder) -> None:
        """Stops an order."""
        with suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.cancel(running.generator)

    def end(self, running: Sequence[RunningOrder]) -> None:
        """Stops orders, and waits a moment, in which they remove their temporary files."""
        left = list(running)
        for each in left:
            self.cancel(each)
        deadline_s = time.monotonic() + _ENDING_S
        while left and time.monotonic() < deadline_s:
            for each in self.ready(left, _ENDING_S / 10):
                with suppress(Exception):  # that it was cancelled, for one
                    if self.take(each) is not None:
                        continue
                left.remove(each)

    def _start(self, address: str) -> None:
        common = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
        try:
            if address:
                _check_reachable(address)
                self._ray.init(address=address, **common)
            else:
                # else it would keep one in the user's home
                os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
                # else what paints gives way to every other program
                os.environ.setdefault("RAY_worker_niceness", "0")
                with _without_dashboard(self._ray):
                    # on the address of this machine that nobody else can reach
                    self._ray.init(
                        address="local",
                        num_cpus=max(THREADS, os.cpu_count() or 1),
                        include_dashboard=False,
                        _node_ip_address="127.0.0.1",
                        _temp_dir=str(self._folder),
                        **common,
                    )
        except Exception as exc:  # some of what it raises has no class of its own
            where = f"no Ray cluster answers at {address}" if address else "Ray does not start here"
            reason = next(iter(str(exc).strip().splitlines()), type(exc).__name__).partition(". ")[0]
            raise RayUnavailableError(f"{where}: {reason}") from exc

    def _needs_of(self, backend: str) -> dict[str, Any]:
        """Returns what an order needs of a node. Raises RayUnavailableError if no node has it."""
        has_gpus = self._ray.cluster_resources().get("GPU", 0) > 0
        on_gpu = backend in _ON_GPU or (backend in _ALSO_ON_GPU and has_gpus)
        needs = {"num_cpus": THREADS, **({"num_gpus": 1} if on_gpu else {})}
        if not any(_slots(node["Resources"], needs) for node in self._ray.nodes() if node["Alive"]):
            wanted = f"{THREADS} processors" + (" and a GPU" if on_gpu else "")
            raise RayUnavailableError(f"no node of the cluster has {wanted}, which each part of a film needs")
        return needs

    def _stop(self) -> None:
        with _signals_kept():
            self._ray.shutdown()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _slots(resources: dict[str, float], needs: dict[str, Any]) -> int:
    """Returns how many orders a node can carry out at once."""
    cpus = int(resources.get("CPU", 0) // needs["num_cpus"])
    return min(cpus, int(resources.get("GPU", 0))) if "num_gpus" in needs else cpus


@contextmanager
def _without_dashboard(ray: Any) -> Iterator[None]:
    """Keeps Ray from starting its dashboard's server, which asks clouds for their machine even if it shows nothing."""
    services = ray._private.services
    before = services.start_api_server
    services.start_api_server = lambda *_, **__: ("", None)
    try:
        yield
    finally:
        services.start_api_server = before


def _check_reachable(address: str) -> None:
    """Raises OSError if nobody listens at an address; Ray would wait for minutes."""
    if address != "auto":
        host, _, port = address.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()


def _short_folder() -> Path:
    """Returns a new temporary folder in which Ray's sockets have room for their names."""
    parent = tempfile.gettempdir()
    fits = len(os.fsencode(parent)) <= _LONGEST_FOLDER or os.name != "posix"
    return Path(tempfile.mkdtemp(prefix="nst-ray-", dir=parent if fits else "/tmp"))  # noqa: S108 - with a name of its own


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keeps what Ctrl-C and its like do here: Ray lets some of them end the process."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
