"""The issuer's pages: plain forms that work without a script."""

from datetime import UTC, datetime
from html import escape
from string import Template

from issuer.sessions import Session

STYLE = """\
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 26rem; margin: 3rem auto; padding: 0 1rem; }
label, dt { display: block; margin-top: 1rem; font-size: .875rem; opacity: .8; }
dd { margin: 0; overflow-wrap: anywhere; }
input { box-sizing: border-box; width: 100%; font: inherit; padding: .5rem; }
button { font: inherit; padding: .5rem 1rem; margin-top: 1.5rem; cursor: pointer; }
form { display: inline; }
.error { border-left: .25rem solid #c33; padding-left: .75rem; }
.example { font-size: .875rem; border: 1px solid; border-radius: .25rem; padding: .5rem .75rem; }
"""

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<link rel="stylesheet" href="/style.css">
<p class="example">An example, for trying out Playgate. Not for real viewers.</p>
<h1>$title</h1>
$body
""")

_LOGIN = Template("""\
$error<form method="post" action="/login">
<label for="user">User</label>
<input id="user" name="user" value="$user" autocomplete="username" required>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Log in</button>
</form>
""")

_ME = Template("""\
$error<dl>
<dt>User</dt><dd>$user</dd>
<dt>Plan</dt><dd>$plan</dd>
<dt>Logged in until</dt><dd>$until</dd>
</dl>
<p><a href="$watch">Watch something</a>: the browser sends its session cookie along.</p>
<form method="post" action="/logout"><button>Log out</button></form>
<form method="post" action="/logout/everywhere"><button>Log out everywhere</button></form>
""")


def login_page(user: str = "", error: str = "") -> str:
    """Give the login form, filled in with a name, and saying what went wrong."""
    return _page("Log in", _LOGIN.substitute(user=escape(user), error=_error(error)))


def me_page(session: Session, watch_url: str, error: str = "") -> str:
    """Give the page of who is logged in."""
    until = datetime.fromtimestamp(session.expires_at, UTC)
    body = _ME.substitute(
        user=escape(session.user.name),
        plan=escape(session.user.plan),
        until=f"{until:%Y-%m-%d %H:%M} UTC",
        watch=escape(watch_url),
        error=_error(error),
    )
    return _page("Your account", body)


def _page(title: str, body: str) -> str:
    return _PAGE.substitute(title=title, body=body)


def _error(text: str) -> str:
    return f'<p class="error" role="alert">{escape(text)}</p>\n' if text else ""
