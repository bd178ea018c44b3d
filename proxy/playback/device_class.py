"""What kind of device a User-Agent is of: tv, console, tablet, mobile, desktop or other.

ua-parser names the device, its brand and its system; what kind of thing that is stands in the
tables here, in its words. ``WORDS`` come first: makers of TVs put no more into a User-Agent than a
browser on a phone or a PC would, so that the library takes theirs for one, and apps for phones call
themselves what they like.

A guess, and a viewer's word: whoever changes their User-Agent changes their class. A claim in the
token is neither.
"""

from functools import lru_cache

from proxy.model import DeviceClass
from proxy.playback.device import MAX_AGENTS, parsed

TV, CONSOLE, TABLET, MOBILE, DESKTOP, OTHER = DeviceClass

# Wherever they stand.
WORDS = {
    "Xbox": CONSOLE,
    "PlayStation": CONSOLE,
    "PLAYSTATION": CONSOLE,
    "Nintendo": CONSOLE,
    "iPhone": MOBILE,
    "iPod": MOBILE,
    "iPad": TABLET,
    "Windows NT": DESKTOP,
    "Macintosh": DESKTOP,
    "BRAVIA": TV,
    "Chromecast": TV,
    "HbbTV": TV,
    "NetCast": TV,
    "Roku": TV,
    "SmartCast": TV,
    "stbapp": TV,
    # Vestel's, under dozens of brands.
    "OMI/": TV,
}
# Only among what is said of the system, in parentheses: outside it is part of many an app's name.
SYSTEM_WORDS = {
    # In SmartTV, Android TV, and many a model's name.
    "TV": TV,
    "Box": TV,
    "BOX": TV,
    # Fire TV: so the names of its models begin.
    " AFT": TV,
}
DEVICES = {
    "AppleTV": TV,
    "Chromecast": TV,
    "HbbTV": TV,
    "Inettv": TV,
    "iPad": TABLET,
    "Kindle": TABLET,
    "Generic Tablet": TABLET,
    "iPhone": MOBILE,
    "iPod": MOBILE,
    "Generic Smartphone": MOBILE,
    "Generic Feature Phone": MOBILE,
    "Spider": OTHER,
}
BRANDS = {"Generic_Inettv": TV, "Generic_Android_Tablet": TABLET}
SYSTEMS = {
    "ATV OS X": TV,
    "tvOS": TV,
    "Tizen": TV,
    "Web0S": TV,
    "GoogleTV": TV,
    "Android": MOBILE,
    "iOS": MOBILE,
    "Windows": DESKTOP,
    "Mac OS X": DESKTOP,
    "Chrome OS": DESKTOP,
    "Linux": DESKTOP,
    "Ubuntu": DESKTOP,
    "Debian": DESKTOP,
    "Fedora": DESKTOP,
    "FreeBSD": DESKTOP,
}


@lru_cache(MAX_AGENTS)
def class_of(agent: str) -> DeviceClass:
    """Give the class of a device by its User-Agent; OTHER where that tells nothing of it."""
    system = agent[agent.find("(") : agent.rfind(")") + 1]
    for words, text in ((WORDS, agent), (SYSTEM_WORDS, system)):
        for word, told in words.items():
            if word in text:
                return told
    found = parsed(agent)
    if found.device:
        by_device = DEVICES.get(found.device.family) or BRANDS.get(found.device.brand or "")
        if by_device:
            return by_device
    family = found.os.family if found.os else ""
    if family == "Android" and agent.startswith("Mozilla/") and "Mobile" not in agent:
        # By Google's word to makers of browsers; apps say nothing of the kind.
        return TABLET
    return SYSTEMS.get(family, OTHER)
