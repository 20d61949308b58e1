"""The show from elsewhere: by a browser."""
