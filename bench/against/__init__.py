"""Playgate beside others that do the same job: `make bench`. What is measured says README.md."""
