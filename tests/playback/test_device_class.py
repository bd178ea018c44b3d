"""Kinds of devices by their User-Agents, which are as players and browsers send them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.model import DeviceClass
from proxy.playback.device_class import class_of

BROWSER = "AppleWebKit/537.36 (KHTML, like Gecko)"
AGENTS = {
    DeviceClass.TV: [
        f"Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.5) {BROWSER} 85.0.4183.93/6.5 TV Safari/537.36",
        f"Mozilla/5.0 (Web0S; Linux/SmartTV) {BROWSER} Chrome/94.0.4606.128 Safari/537.36",
        f"Mozilla/5.0 (Linux; NetCast; U) {BROWSER} Chrome/38.0.2125.122 Safari/537.31",
        "Roku/DVP-12.5 (12.5.0.4178-88)",
        "Roku4640X/DVP-7.70 (297.70E04154A)",
        "AppleCoreMedia/1.0.0.21A360 (Apple TV; U; CPU OS 17_0 like Mac OS X; en_us)",
        "AppleTV11,1/11.1",
        f"Mozilla/5.0 (Linux; Android 9; AFTMM Build/PS7233; wv) {BROWSER} Mobile Safari/537.36",
        "Dalvik/2.1.0 (Linux; U; Android 7.1.2; AFTS Build/NS6265)",
        "Dalvik/2.1.0 (Linux; U; Android 11; BRAVIA 4K UR2 Build/RTT2.211214.001.F6)",
        "Dalvik/2.1.0 (Linux; U; Android 11; SHIELD Android TV Build/RQ1A.210105.003)",
        f"Mozilla/5.0 (Linux; Android 11; Chromecast Build/RTMA; wv) {BROWSER} Mobile Safari/537",
        f"Mozilla/5.0 (X11; Linux armv7l) {BROWSER} Safari/537.36 CrKey/1.56 DeviceType/Chromecast",
        "Opera/9.80 (Linux armv7l; HbbTV/1.2.1 (; Philips; 40HFL5010T12; ; PHILIPSTV;)) Presto",
        f"Mozilla/5.0 (VIZIO; SmartCast; Linux armv7l) {BROWSER} SmartCast Conjure/SX7A-1.0.0",
        "Mozilla/5.0 (QtEmbedded; U; Linux; C) AppleWebKit/533.3 MAG200 stbapp ver: 2 Safari/533.3",
    ],
    DeviceClass.CONSOLE: [
        "Mozilla/5.0 (PlayStation 4 3.11) AppleWebKit/537.73 (KHTML, like Gecko)",
        "Mozilla/5.0 (PlayStation; PlayStation 5/2.26) AppleWebKit/605.1.15 Safari/605.1.15",
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox Series X) {BROWSER} Edge/20.02",
        "Mozilla/5.0 (Nintendo Switch; WebApplet) AppleWebKit/609.4 NintendoBrowser/5.1.0.22474",
    ],
    DeviceClass.TABLET: [
        "Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1",
        "AppleCoreMedia/1.0.0.20A362 (iPad; U; CPU OS 16_0 like Mac OS X; en_us)",
        f"Mozilla/5.0 (Linux; Android 12; SM-X906C) {BROWSER} Chrome/120.0.0.0 Safari/537.36",
        f"Mozilla/5.0 (Linux; Android 9; KFMAWI) {BROWSER} Silk/92.2.11 like Chrome/92.0 Safari",
        "Mozilla/5.0 (Android 13; Tablet; rv:120.0) Gecko/120.0 Firefox/120.0",
    ],
    DeviceClass.MOBILE: [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1",
        "AppleCoreMedia/1.0.0.21A329 (iPhone; U; CPU OS 17_0 like Mac OS X; en_us)",
        f"Mozilla/5.0 (Linux; Android 10; K) {BROWSER} Chrome/120.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Android 13; Mobile; rv:120.0) Gecko/120.0 Firefox/120.0",
        "App/1.2.3 (Linux;Android 14) AndroidXMedia3/1.2.0",
        # TV is a word in the names of services, and so of their apps.
        "MagentaTV/3.2.1 (iPhone; iOS 17.0; Scale/3.00)",
        "YouTV/1.2 (Linux; Android 13; Pixel 7) ExoPlayerLib/2.19.1",
        "PlutoTV/5.2 CFNetwork/1485 Darwin/23.1.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Safari/604.1 JoynTV/5",
        f"Mozilla/5.0 (Linux; Android 10; K) {BROWSER} Chrome/120.0.0.0 Mobile Safari/537 BoxTV/5",
        "Dalvik/2.1.0 (Linux; U; Android 13; SM-A536B Build/TP1A.220624.014)",
    ],
    DeviceClass.DESKTOP: [
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {BROWSER} Chrome/120.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15",
        "AppleCoreMedia/1.0.0.23B81 (Macintosh; U; Intel Mac OS X 14_1; en_us)",
        "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {BROWSER} Chrome/120.0.0.0 TVapp/2",
        f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {BROWSER} Chrome/120.0.0.0 Safari/537.36",
    ],
    DeviceClass.OTHER: [
        "",
        "VLC/3.0.18 LibVLC/3.0.18",
        "Lavf/59.27.100",
        "curl/8.5.0",
        "GStreamer souphttpsrc 1.22.0 libsoup/3.2.2",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    ],
}


@pytest.mark.parametrize(
    ("agent", "expected"), [(agent, kind) for kind, agents in AGENTS.items() for agent in agents]
)
def test_a_device_is_taken_for_what_it_is(agent: str, expected: DeviceClass) -> None:
    assert class_of(agent) is expected


@given(st.text(st.characters(), max_size=300))
@example("\udcff\udcfe")
def test_any_user_agent_has_a_class(agent: str) -> None:
    assert class_of(agent) in DeviceClass
