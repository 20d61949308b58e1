"""What OpenCV's DIS optical flow (Kroeger et al. 2016) can be given. Needs no torch."""

# It makes no pyramid of smaller frames, and writes past the end of frames that are low and wide.
LEAST_SIDES = 32, 96
