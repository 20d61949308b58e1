"""The loop: frames are painted and handed on, while keys change what is painted."""
