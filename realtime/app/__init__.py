"""The command `nst-live`: options, settings, jobs, messages."""
