"""`python -m tests.gpu.table gpu-check.json`: the figures of `make gpu-check` as the table of docs/benchmarks.md."""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.gpu.table", description=__doc__)
    parser.add_argument("file", type=Path, help="what make gpu-check has written")
    file: Path = parser.parse_args(argv).file
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError) as exc:
        print(f"no figures in {file}: {exc}; type: make gpu-check", file=sys.stderr)
        return 3
    print("\n".join(table(found)))
    return 0


def table(found: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines of the table: what was measured, and a column for each net and size."""
    lines: Sequence[Mapping[str, Any]] = found["lines"]
    columns = list(dict.fromkeys((line["net"], line["size"]) for line in lines))
    values = {(line["what"], line["net"], line["size"]): _text(line) for line in lines}
    yield f"{found['gpu']['name']}, `make gpu-check`. What misses its bound is marked with (!)."
    yield ""
    yield f"| what | {' | '.join(f'`{net}` {size}' for net, size in columns)} |"
    yield f"| --- |{' --- |' * len(columns)}"
    for what in dict.fromkeys(line["what"] for line in lines):
        yield f"| {what} | {' | '.join(values.get((what, *column), '') for column in columns)} |"


def _text(line: Mapping[str, Any]) -> str:
    if line["note"]:
        return "not run"
    mark = " (!)" if line["kept"] is False else ""
    return f"{line['value']:.2f} {line['unit']}".strip() + mark


if __name__ == "__main__":
    sys.exit(main())
