"""Training of base nets: nets that many styles share, with the encoder that predicts styles for them. Needs torch."""
