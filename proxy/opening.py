"""What a proxy needs of others to start: had, or told by the key of the configuration that asks.

Each failure is one line that names file, line and key, and repeats what the system said.
"""

import errno

from proxy.errors import StoreUnavailable
from proxy.settings.load import ConfigError, Problem
from proxy.settings.ports import AdminSettings, ListenSettings
from proxy.settings.reload import Place
from proxy.web.sockets import Given, Sockets, bound

# What a system says of a port; everything else it says of the address.
OF_THE_PORT = {errno.EADDRINUSE, errno.EACCES, errno.EPERM}


def port_opened(
    wanted: ListenSettings | AdminSettings, place: Place, *, number: int = 1, given: Given = ()
) -> Sockets:
    """Bind a port as ``web.sockets.bound`` does.

    Raises:
        ConfigError: it cannot be bound.
    """
    section = "listen" if isinstance(wanted, ListenSettings) else "admin"
    try:
        return bound(wanted.host, wanted.port, number=number, given=given)
    except OSError as error:
        key = "port" if error.errno in OF_THE_PORT else "host"
        raise ConfigError((place(said(error), section, key),)) from None


def ports_opened(
    listen: ListenSettings, admin: AdminSettings, place: Place
) -> tuple[Sockets, Sockets]:
    """Bind players' and operators' ports.

    Raises:
        ConfigError: one cannot be bound, and none is.
    """
    players = port_opened(listen, place)
    try:
        return players, port_opened(admin, place)
    except ConfigError:
        for one in players:
            one.close()
        raise


def certificate_refused(error: OSError, place: Place) -> ConfigError:
    """Say that the certificate, which was good a moment ago, is not."""
    return ConfigError((place(f"cannot be loaded: {said(error)}", "listen", "tls", "cert"),))


def store_refused(error: StoreUnavailable, place: Place) -> Problem:
    """Say why there is no store, where it is required."""
    detail = " ".join((error.detail or "it does not answer").split())
    return place(f"the store cannot be used: {detail}", "store", "url")


def said(error: OSError) -> str:
    """Give what the system said, on one line and without its number."""
    return " ".join((error.strerror or str(error)).split())
