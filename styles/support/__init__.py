"""Small things that all three layers use."""
