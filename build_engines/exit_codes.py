"""The exit codes for the errors of graphs and engines."""

from __future__ import annotations

from build_engines.gpus import NoGpuError
from build_engines.imports.files import NoTorchError
from build_engines.imports.layers import ForeignNetError
from build_engines.onnx.cache import NoExporterError, OnnxFileError
from build_engines.onnx.layout import FrameSizeError
from build_engines.tensorrt.build import EngineBuildError
from build_engines.tensorrt.cache import UnusableEngineError
from build_engines.tensorrt.engines import TargetError
from build_engines.tensorrt.run import NoPycudaError
from build_engines.tensorrt.variants import NoTensorRTError
from styles import exit_codes as styles
from styles.support.errors import FAILED, UNAVAILABLE, UNREADABLE, USAGE, ExitCodes

EXIT_CODES: ExitCodes = {
    **styles.EXIT_CODES,
    FrameSizeError: USAGE,
    TargetError: USAGE,
    OnnxFileError: UNREADABLE,
    ForeignNetError: UNREADABLE,
    NoTorchError: UNAVAILABLE,
    NoExporterError: UNAVAILABLE,
    NoTensorRTError: UNAVAILABLE,
    NoGpuError: UNAVAILABLE,
    NoPycudaError: UNAVAILABLE,
    EngineBuildError: FAILED,
    UnusableEngineError: FAILED,
}
