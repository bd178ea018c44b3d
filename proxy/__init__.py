"""Playgate: counts and limits an account's concurrent HLS and DASH streams at the manifest."""

from importlib.metadata import version

__version__ = version("playgate")
