"""Audio: tracks that are copied from file to file, live audio, microphones."""
