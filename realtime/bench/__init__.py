"""How fast it is here: `nst-live bench`."""
