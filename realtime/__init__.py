"""The live loop: source → stylizer → sinks. Importing it starts nothing and needs neither torch nor tensorrt."""

__version__ = "0.1.0"
