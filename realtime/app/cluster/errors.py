"""What can be wrong with a cluster."""

from __future__ import annotations


class RayUnavailableError(RuntimeError):
    """Ray is not installed, or the cluster cannot be reached; the message says what to type."""


class NodeLostError(RuntimeError):
    """A node, or a process on it, has ended before its order was carried out."""
