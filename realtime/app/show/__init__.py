"""One show: what it needs is checked, opened and put together here; `realtime.app.play` runs it."""
