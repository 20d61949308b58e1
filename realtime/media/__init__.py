"""What every reader and writer of pictures and films shares: colour, rates, codecs."""
