"""What the reference result says of TCP's estimates: the claims of docs/guest-time.md."""

from __future__ import annotations

from pathlib import Path

from bulkhead.result import read_result

RESULT = Path(__file__).resolve().parents[2] / "results" / "tcp_rtt.json"
WITHIN = 5  # per cent of the link's delay, without load


def test_only_a_clock_that_stands_still_makes_a_link_shorter() -> None:
    points = {tuple(point.levels.values()): point.metrics for point in read_result(RESULT).points}
    assert len(points) == 2 * 2 * 3
    for (time, client, hogs), found in points.items():
        if hogs == 0:
            assert abs(found["error"]) < WITHIN, (time, client)
        if time == "real":
            assert found["minrtt"] > found["truth"] and found["error"] > 0, (client, hogs)
        elif hogs:
            assert found["error"] < -20, (client, hogs)
        assert found["segments"] > 100
        assert found["sent_again"] == found["timeouts"] == found["dropped"] == 0
    assert points["virtual", "computing", 2]["error"] < -60
