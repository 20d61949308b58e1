"""Painting on several machines: files, and parts of long films, become tasks of Ray."""
