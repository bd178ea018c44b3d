"""Which stream a request belongs to: a pure function of who asks, from what device, for what."""
