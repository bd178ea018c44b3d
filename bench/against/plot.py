"""Draws what a request costs each peer, a panel for each workload, as PNG and SVG."""

from pathlib import Path

from bench.against.report import Account
from bench.against.targets import OURS

OURS_COLOUR, PEER_COLOUR, UNFIT_COLOUR = "#1a7f5a", "#8a97a8", "#d9c4c4"
BAR_INCHES, PANEL_INCHES, WIDTH_INCHES = 0.28, 0.75, 9
# By so much the axis goes on beyond the longest bar, for its figure.
LABEL_ROOM = 2.5


def draw(account: Account, out: Path) -> None:
    """Draw the medians, with a logarithmic axis that all panels share."""
    import matplotlib as mpl  # noqa: PLC0415  # takes a second, and is needed here alone

    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "playgate"  # or each run names its shapes anew
    import matplotlib.pyplot as plt  # noqa: PLC0415  # the same

    found = account.findings.medians
    titles = {peer.name: peer.title for peer in account.peers}
    panels = [
        (
            workload,
            sorted(
                (s for (name, _), s in found.items() if name == workload.name),
                key=lambda s: -s.cpu_us,
            ),
        )
        for workload in account.workloads
    ]
    sizes = [len(samples) * BAR_INCHES + PANEL_INCHES for _, samples in panels]
    figure, axes = plt.subplots(
        len(panels),
        1,
        sharex=True,
        squeeze=False,
        figsize=(WIDTH_INCHES, sum(sizes)),
        height_ratios=sizes,
        layout="constrained",
    )
    for (workload, samples), axis in zip(panels, axes[:, 0], strict=True):
        colours = [
            OURS_COLOUR
            if sample.peer == OURS
            else UNFIT_COLOUR
            if account.proofs.get(sample.peer)
            else PEER_COLOUR
            for sample in samples
        ]
        bars = axis.barh(
            [titles[s.peer] for s in samples], [s.cpu_us for s in samples], color=colours
        )
        axis.bar_label(bars, [f"{s.cpu_us:,.1f}" for s in samples], padding=3, fontsize=8)
        axis.set_title(f"{workload.name}: {workload.title}", fontsize=9, loc="left")
        axis.tick_params(labelsize=8)
        axis.set_xscale("log")
        axis.set_xlim(1, LABEL_ROOM * max(sample.cpu_us for sample in found.values()))
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1, 0].set_xlabel(
        "µs of processor time for each request, logarithmic; pale: fails the job", fontsize=8
    )
    for suffix in (".svg", ".png"):
        figure.savefig(
            out.with_suffix(suffix), dpi=110, metadata={"Date": None} if suffix == ".svg" else None
        )
