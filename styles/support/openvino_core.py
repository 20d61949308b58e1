"""The one OpenVINO core of the process, and what compiles models with it. Needs no torch."""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from typing import Any

from styles.support.silent_imports import import_openvino

# A graph that runs in one thread while another thread compiles a model can wait for ever, and the compiling with it:
# so two busy cores did once, in a show that predicted a style while it opened its net. Whoever runs a graph beside what
# others do takes this lock for that long.
compiling_or_running = threading.Lock()


@functools.cache
def openvino_core() -> Any:
    """Returns the core, made when it is first asked for and kept to the end.

    OpenVINO's CPU plugin gives the thread a signal stack of its own and unmaps it with the last core: if that
    happens in another thread, the next Ctrl-C ends the process with a segmentation fault, not with a finished file.
    """
    return import_openvino().Core()


def compile_model(model: Any, settings: Mapping[str, str]) -> Any:
    """Returns the model, compiled for the processor with these properties of OpenVINO."""
    with compiling_or_running:
        return openvino_core().compile_model(model, "CPU", dict(settings))
