"""Whether a stream may play: one set of rules, run by a model, in memory, and inside Redis."""
