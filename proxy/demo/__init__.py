"""Everything in one process: proxy, origin, token issuer and a page to try it on."""
