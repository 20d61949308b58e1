"""Where painted frames go: files, streams, virtual cameras, the replay."""
