"""`nst-train base export DIR -o DIR`: from the options to the nets of a training."""

from __future__ import annotations

from styles.cli.options import CommandLine, ExportOptions
from styles.registry import ENCODER_NAME
from styles.support.errors import UsageError
from styles.training.base.files import export_styles


def run_export(line: CommandLine) -> str:
    """Writes the nets of a base training as nst-live reads them, and returns the paths of the files."""
    options = line.of(ExportOptions)
    files = [options.output / f"{name}.safetensors" for name in (*options.nets, ENCODER_NAME)]
    there = next((file for file in files if file.exists()), None)
    if there and not options.overwrite:
        raise UsageError(f"{there} exists already; to replace it, add -y, or name another folder with --output")
    return "\n".join(map(str, export_styles(options.folder, options.nets, options.output)))
