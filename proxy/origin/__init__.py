"""The servers behind: fetched with a bounded wait, once for many viewers."""
