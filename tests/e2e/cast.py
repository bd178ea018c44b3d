"""Who plays in the matrix."""

from tests.e2e.player import Form, Player
from tests.e2e.programs import PROGRAMS
from tests.e2e.web import WEB_PLAYERS

PLAYERS: list[Player] = [*WEB_PLAYERS, *PROGRAMS]
ROWS = [(player, form) for player in PLAYERS for form in Form if form in player.forms]
