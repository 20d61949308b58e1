"""Damaged nets of other people: python -m tests.fuzz.imports SEED COUNT prints what is broken, in a process of its own.

A file that is damaged is refused as one, or read; it ends nothing, and takes no memory that it does not have.
"""

from __future__ import annotations

import io
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import torch

from build_engines.imports.files import read_foreign_net
from build_engines.imports.graph import onnx_from_foreign
from build_engines.imports.layers import ForeignNetError
from styles.support.terminal import print_line
from tests.build_engines.imports.test_foreign_nets import examples_net, rrmina_net, torch7_checkpoint
from tests.fuzz.damage import damage

# What a net of a few kilobytes and PyTorch take together.
_MOST_MEMORY = 6 * 2**30


def samples() -> Mapping[str, tuple[str, bytes]]:
    """Returns sound files by kind, each with its suffix."""

    def saved(net: torch.nn.Module, zipped: bool) -> bytes:
        file = io.BytesIO()
        torch.save(net.state_dict(), file, _use_new_zipfile_serialization=zipped)
        return file.getvalue()

    return {
        "examples": (".pth", saved(examples_net(), True)),
        "examples, old": (".pth", saved(examples_net(), False)),
        "rrmina": (".pth", saved(rrmina_net(), True)),
        "torch7": (".t7", torch7_checkpoint()),
    }


def broken(seed: int, count: int) -> int:
    """Tries that many damaged files; returns how many were neither read nor refused, and prints them."""
    of, found = samples(), 0
    with TemporaryDirectory() as folder:
        for index in range(count):
            dice = Random(f"{seed}:{index}")
            kind = dice.choice(list(of))
            suffix, data = of[kind]
            path = Path(folder) / f"damaged{suffix}"
            data, done = damage(data, dice, suffix)
            path.write_bytes(data)
            try:
                onnx_from_foreign(read_foreign_net(path))
            except ForeignNetError as exc:
                if "\n" in str(exc) or len(str(exc)) > 1000:
                    found += 1
                    print_line(f"{seed}:{index} {kind}, {done}: a long complaint", sys.stdout)
            except Exception as exc:  # what is looked for
                found += 1
                print_line(f"{seed}:{index} {kind}, {done}: {type(exc).__name__}: {exc}", sys.stdout)
    return found


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    sys.exit(1 if broken(int(sys.argv[1]), int(sys.argv[2])) else 0)
