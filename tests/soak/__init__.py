"""A show with all its parts, for as long as one likes. Type: python -m tests.soak --minutes 60"""
