"""The options: one table of them, how each is read, where they come from, and which go together."""
