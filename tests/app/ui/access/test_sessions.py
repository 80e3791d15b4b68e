"""Sessions that send requests and do not listen."""

from limelight.app.ui.access.address import network_of
from limelight.app.ui.access.log import OncePerMinute, place_of
from limelight.app.ui.access.sessions import Sessions


def _sessions(most: int = 2) -> tuple[Sessions, list[float]]:
    now = [0.0]
    return Sessions(patience=5, max_silent=most, clock=lambda: now[0]), now


def test_nothing_is_drawn_for_a_session_that_does_not_listen():
    sessions, _ = _sessions()
    sessions.asked("a", "home")
    assert not sessions.is_here("a")
    assert sessions.is_here("of a program in this process")
    with sessions.listening("a", "home"):
        assert sessions.is_here("a")
    assert not sessions.is_here("a")


def test_a_session_is_overdue_after_too_long_a_silence():
    sessions, now = _sessions()
    sessions.asked("a", "home")
    now[0] = 4.0
    sessions.asked("b", "home")
    now[0] = 5.0
    assert sessions.overdue() == ["a"]
    with sessions.listening("a", "home"):
        now[0] = 100.0
        assert sessions.overdue() == ["b"]
    assert sessions.overdue() == ["b"]  # a has just left
    sessions.forget("b")
    assert len(sessions) == 1


def test_the_longest_silent_sessions_of_an_address_are_excess():
    sessions, _ = _sessions(most=2)
    assert sessions.asked("a", "flood") == sessions.asked("b", "flood") == sessions.asked("x", "home") == []
    assert sessions.asked("c", "flood") == ["a"]
    assert sessions.asked("a", "flood") == ["b"]  # a asked again, so b is the longest silent
    assert sessions.most_silent() == "b"


def test_an_address_is_one_ipv4_address_or_an_ipv6_network_of_64_bits():
    assert network_of("192.0.2.7") == "192.0.2.7"
    assert network_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert network_of("2001:db8:1:2::3") == network_of("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:3::3") != network_of("2001:db8:1:2::3")
    assert network_of(None) == network_of("") == ""


def _record(message: str, error: BaseException | None = None):
    import logging

    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("uvicorn.error", logging.ERROR, __file__, 1, message, (), info)


def test_an_error_is_one_line_in_the_log_without_its_text():
    try:
        raise KeyError("what a visitor typed")
    except KeyError as error:
        line = place_of(error)
        record = _record("Exception in ASGI application\n", error)
    assert line.startswith("KeyError at test_sessions.py:")
    assert "typed" not in line
    assert OncePerMinute().filter(record)
    assert record.getMessage() == f"Exception in ASGI application {line}"
    assert record.exc_info is None


def test_the_same_line_comes_once_a_minute():
    now = [0.0]
    seldom = OncePerMinute(clock=lambda: now[0])
    assert [seldom.filter(_record("Invalid HTTP request received.")) for _ in range(3)] == [
        True,
        False,
        False,
    ]
    assert seldom.filter(_record("something else"))
    now[0] = 61.0
    assert seldom.filter(_record("Invalid HTTP request received."))
