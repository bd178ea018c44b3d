"""What operators see: metrics and structured logs, neither with a secret in it."""
