"""Rolls a version out on Kubernetes, and leads players to it, with kubectl alone.

    ship.py roll OVERLAY     apply an overlay, wait until it runs, and have it checked
    ship.py job OVERLAY      run a Job to its end, and end as it did
    ship.py offline          roll the slot of production that players are not led to; prints which
    ship.py swap SLOT        lead players to a slot, with no request lost; and back, by the other
    ship.py review NUMBER    run a pull request in a namespace of its own; --end removes it

Needs Python and kubectl with a kubeconfig. --image NAME@DIGEST takes another image than the tree's.
docs/kubernetes.md says what each is good for.
"""

import argparse
import sys
from pathlib import Path

from shipping.cluster import ShipError, tree
from shipping.rolls import end_review, job, review, roll
from shipping.slots import SLOTS, offline, swap


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--image", default="", help="NAME@DIGEST or NAME:TAG; else the tree's")
    common.add_argument("--every", type=float, default=5, help="seconds between two looks")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in ("roll", "job"):
        one = commands.add_parser(name, parents=[common])
        one.add_argument("overlay", help="a folder of overlays/")
    commands.add_parser("offline", parents=[common])
    one = commands.add_parser("swap", parents=[common])
    one.add_argument("slot", choices=SLOTS)
    one.add_argument("--watch", type=float, default=120, help="seconds to look on afterwards")
    one = commands.add_parser("review", parents=[common])
    one.add_argument("number", type=int, help="the pull request's")
    one.add_argument("--end", action="store_true", help="remove it")
    return parser.parse_args()


def ship(options: argparse.Namespace, copy: Path) -> None:
    """Do what was asked for with a copy of the manifests."""
    match options.command:
        case "roll":
            roll(copy / "overlays" / options.overlay, every=options.every)
        case "job":
            job(copy / "overlays" / options.overlay, every=options.every)
        case "offline":
            print(offline(copy, every=options.every))
        case "swap":
            swap(copy, options.slot, options.image, watch=options.watch, every=options.every)
        case "review" if options.end:
            end_review(copy, options.number)
        case "review":
            review(copy, options.number, every=options.every)


def main() -> None:
    """Ship, or say why not."""
    options = arguments()
    try:
        with tree(options.image) as copy:
            ship(options, copy)
    except ShipError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
