"""Pictures, folders and long jobs."""
