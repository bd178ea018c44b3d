"""The room's entry: a manifest's bytes to a template.

A third kind of manifest is one member of ``Format``, the content types it is recognised by, and
one line here.
"""

from collections.abc import Callable, Mapping

from proxy.manifests.dash import compile_dash
from proxy.manifests.hls import compile_hls
from proxy.manifests.kinds import Format
from proxy.manifests.links import Links
from proxy.manifests.template import Template

COMPILERS: Mapping[Format, Callable[[bytes, Links], Template]] = {
    Format.HLS: compile_hls,
    Format.DASH: compile_dash,
}


def compile_manifest(body: bytes, form: Format, links: Links) -> Template:
    """Compile a manifest, whole or not at all.

    Raises:
        OriginInvalid: the manifest is broken, and the detail names the line; or it has more links
            than can be carried, each with a ticket, to every viewer.
    """
    return COMPILERS[form](body, links)
