import pytest

from app.adapters import server_clock
from app.adapters.server_clock import ServerClock


class Server:
    """Tells its time, and counts how often it was asked."""

    def __init__(self):
        self.asked, self.seconds = 0, 1_700_000_000

    def time(self):
        self.asked += 1
        return self.seconds, 250_000


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def later(monkeypatch):
    """Lets seconds pass on this machine."""
    passed = [0.0]

    class Time:
        monotonic = staticmethod(lambda: passed[0])

    monkeypatch.setattr(server_clock, "time", Time)

    def later(seconds):
        passed[0] += seconds

    return later


def test_the_server_is_asked_once_a_second_and_its_time_carried_on(server, later):
    clock = ServerClock(server)
    assert clock.now() == 1_700_000_000_250
    later(0.5)
    assert (clock.now(), server.asked) == (1_700_000_000_750, 1)
    later(1)
    server.seconds += 60
    assert (clock.now(), server.asked) == (1_700_000_060_250, 2)


def test_what_is_known_of_the_time_needs_no_server(server, later):
    clock = ServerClock(server)
    clock.told(5_000)
    later(100)
    assert (clock.known_now(), server.asked) == (105_000, 0)


def test_a_time_that_is_passed_in_goes_to_the_scripts_too(server):
    assert ServerClock(server, lambda: 7).argument() == ServerClock(server, lambda: 7).known_now() == 7
    assert ServerClock(server).argument() == ""
    assert server.asked == 0
