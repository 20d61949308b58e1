"""The one OpenVINO core of the process. Needs no torch."""

from __future__ import annotations

import functools
from typing import Any

from styles.support.silent_imports import import_openvino


@functools.cache
def openvino_core() -> Any:
    """Returns the core, made when it is first asked for and kept to the end.

    OpenVINO's CPU plugin gives the thread a signal stack of its own and unmaps it with the last core: if that
    happens in another thread, the next Ctrl-C ends the process with a segmentation fault, not with a finished file.
    """
    return import_openvino().Core()
