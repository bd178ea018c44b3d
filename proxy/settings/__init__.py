"""The configuration file: its schema, its loader, and errors that name the line."""
