"""The live loop: source → stylizer → sinks. Importing it starts nothing and needs neither torch nor tensorrt."""

# First of all: PyAV brings an X library of its own, and where that is loaded first OpenCV's windows hang for ever.
import cv2 as _cv2  # noqa: F401

__version__ = "0.1.0"
