"""Makes the pictures of docs/dashboards.md: an evening in a few minutes, with a bad moment in it.

python -m tests.dashboards.pictures docs/dashboards
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from tests.dashboards.boards import BOARDS
from tests.dashboards.monitoring import monitoring
from tests.dashboards.render import render
from tests.dashboards.scene import Scene, scene
from tests.support import needs

# Seconds, as all that follow.
QUIET = 90.0
CROWDED = 45.0
AWAY = 8.0
AFTERWARDS = 30.0


async def evening(play: Scene) -> None:
    """Have a quiet hour, a match that everybody wants to see, and an outage of the store."""
    await asyncio.sleep(QUIET)
    play.viewers.crowds, play.viewers.greed, play.viewers.forgery = 0.3, 2, 0.05
    await asyncio.sleep(CROWDED)
    play.viewers.crowds, play.viewers.greed, play.viewers.forgery = 0.02, 1, 0.01
    await asyncio.sleep(AFTERWARDS)
    async with play.store_away():
        await asyncio.sleep(AWAY)
    await asyncio.sleep(AFTERWARDS)


async def main() -> None:
    """Play the evening, and draw each dashboard."""
    parser = argparse.ArgumentParser(description="Draw the dashboards of an evening.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    with tempfile.TemporaryDirectory(prefix="playgate-pictures-") as scratch:
        files = Path(scratch)
        async with (
            scene(files) as play,
            monitoring(files, {"proxy:9090": play.proxy.target}) as watching,
        ):
            await evening(play)
            minutes = (QUIET + CROWDED + AWAY + 2 * AFTERWARDS) / 60
            for board in BOARDS:
                picture = files / f"{board.file.stem}.png"
                await render(board, watching.prometheus, picture, minutes)
                await shrink(picture, folder / picture.name)


async def shrink(picture: Path, into: Path) -> None:
    """Write a picture in few colours, which is a third of its size."""
    ffmpeg = needs.program("ffmpeg", install="apt-get install ffmpeg")
    colours = "split[a][b];[a]palettegen=max_colors=128[c];[b][c]paletteuse=dither=none"
    process = await asyncio.create_subprocess_exec(
        *(ffmpeg, "-y", "-loglevel", "error", "-i", picture, "-filter_complex", colours, into)
    )
    assert await process.wait() == 0


if __name__ == "__main__":
    asyncio.run(main())
