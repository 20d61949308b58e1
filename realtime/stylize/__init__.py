"""What becomes of a frame: styles, mixing, the net, the stabilizer."""
