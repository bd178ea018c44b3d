"""EXAMPLE of a token issuer beside Playgate: login, session cookie, published keys, logout.

It shows where an issuer and Playgate meet, and how little that is:

- Playgate reads the public keys at ``/.well-known/jwks.json`` and needs nothing else to verify;
- the session token names account (``sub``), plan and device (``device_id``);
- who logs out is told to Playgate's admin API, so that what plays stops as well.

It is no login service for real viewers: a few users in a file, nothing against guessing passwords,
no recovery, one process. Use Keycloak or any other OpenID Connect server (docs/tokens.md).

It knows of Playgate only what any issuer would, and imports nothing of it. `playgate demo` has an
issuer of its own, which asks for no password: this folder is not part of the installed package.
"""
