"""What OpenCV's DIS optical flow (Kroeger et al. 2016) can be given. Needs no torch."""

# Of smaller pictures it makes no pyramid, and of small and wide ones it writes past their end.
LEAST_SIDES = 32, 96
