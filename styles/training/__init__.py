"""Training: data, loss network, losses, the loop. Needs torch."""
