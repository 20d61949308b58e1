"""Where frames come from: cameras, video files, network streams, the bundled scene."""
