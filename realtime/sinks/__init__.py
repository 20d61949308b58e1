"""Where paintings go: files, streams, virtual cameras."""
