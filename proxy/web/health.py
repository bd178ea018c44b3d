"""Whether this process should get requests, in named components."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Health:
    """Components start unhealthy and say themselves when they are well.

    ``essential`` ones decide readiness. The store is not one of them: with it away the proxy goes
    on as ``store.on_outage`` says, and taking every proxy out of rotation would not help anybody.
    ``keys`` is: a proxy that could not verify a single token yet, because no issuer's key set was
    had since its start, leaves viewers to those that can. Keys it once had stay.
    """

    components: dict[str, bool] = field(
        default_factory=lambda: {"config": False, "keys": False, "server": False, "store": False}
    )
    draining: bool = False

    essential = ("config", "keys", "server")

    @property
    def ready(self) -> bool:
        """Whether this process should get requests."""
        return not self.draining and all(self.components[name] for name in self.essential)

    def set(self, component: str, *, well: bool) -> None:
        """Note how a component is."""
        self.components[component] = well

    def document(self) -> dict[str, object]:
        """Give what ``/readyz`` answers."""
        return {"ready": self.ready, "draining": self.draining, "components": self.components}
