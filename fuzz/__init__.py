"""Parsers of what strangers send, given anything at all.

``targets.py`` says what may come of it, ``corpus/`` has what is interesting to begin with, one
folder for each target. The tests replay that; ``make fuzz`` goes on from it (``run.py``).
"""
