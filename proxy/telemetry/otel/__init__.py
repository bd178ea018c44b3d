"""Spans by OpenTelemetry, with the extra ``playgate[otel]``: all that knows it is in here."""
