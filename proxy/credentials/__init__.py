"""Who is asking: tokens, keys, tickets, and the seals that tie a ticket to what it may fetch."""
