"""The command `nst-train`."""
