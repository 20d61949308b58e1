"""The Python API: what `import realtime as rt` gives. A thin layer over what the command uses; see docs/python.md."""
