"""What verifies the claims of URI signing, for tests that are about something else."""

import time

from proxy.credentials.encrypted import Decrypter
from proxy.credentials.networks import Networks
from proxy.credentials.signed_uri import SignedUris

NETWORKS = Networks(b"n" * 32)
SIGNED_URIS = SignedUris(NETWORKS, Decrypter(), frozenset(), time.time)
