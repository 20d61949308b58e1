"""What the errors of trainings mean to a shell."""

from __future__ import annotations

from torch import OutOfMemoryError

from styles import exit_codes as styles
from styles.support.errors import FAILED, INTERRUPTED, UNAVAILABLE, UNREADABLE, USAGE, ExitCodes
from styles.training.base.folder import BusyFolderError
from styles.training.base.ranks import RankLostError
from styles.training.checkpoint import CheckpointError, SettingsError
from styles.training.growth import GrowthError
from styles.training.interrupts import TrainingStopped
from styles.training.job import CropError, ResultError, UnfinishedTrainingError
from styles.training.loss_network import LossNetworkError
from styles.training.loss_network_file import MissingLossNetworkError
from styles.training.pictures import PictureError

EXIT_CODES: ExitCodes = {
    **styles.EXIT_CODES,
    TrainingStopped: INTERRUPTED,
    MissingLossNetworkError: UNAVAILABLE,
    UnfinishedTrainingError: USAGE,
    BusyFolderError: USAGE,
    CropError: USAGE,
    GrowthError: USAGE,
    ResultError: USAGE,
    SettingsError: USAGE,
    PictureError: UNREADABLE,
    LossNetworkError: UNREADABLE,
    CheckpointError: UNREADABLE,
    FloatingPointError: FAILED,
    RankLostError: FAILED,
    OutOfMemoryError: FAILED,
}
