"""A server in an attack: `scripts.page.attack` as a test, with fewer clients at once than many."""

import time

import pytest

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.studio.studio import Studio
from scripts.page.attack import Page, attacked, honest, is_same
from scripts.page.load import resident, served
from tests.default_model import SIDE

CLIENTS, AT_ONCE, STEPS = 60, 6, 4


@pytest.mark.slow
def test_sixty_clients_get_their_pictures_in_an_attack_and_memory_comes_back():
    with served() as (url, process):
        page = Page.at(url)
        with attacked(page):  # fills torch's and Python's own pools
            honest(page, CLIENTS, AT_ONCE, STEPS)
        time.sleep(20)
        alone = honest(page, CLIENTS, AT_ONCE, STEPS)
        time.sleep(20)
        base = resident(process)
        with attacked(page):
            beside = honest(page, CLIENTS, AT_ONCE, STEPS)
        time.sleep(20)
        after = resident(process)
    assert all(is_same(beside[seed][1], url) for seed, (_, url) in alone.items())
    longest = max(seconds for seconds, _ in alone.values())
    assert max(seconds for seconds, _ in beside.values()) <= 3 * longest
    assert after <= 1.02 * base


def test_a_few_clients_get_their_pictures_in_an_attack(pipe, serve):
    studio = Studio({"default": pipe}, Limits(silent_seconds=2, head_seconds=2, body_seconds=2))
    # The time of a slow machine: it refuses what the flood asks for.
    studio.pace.times.note("default", SIDE * SIDE, 1, 0.5)
    with serve(studio) as url:
        page = Page.at(url)
        with attacked(page, pause=0.5):
            got = honest(page, 3, 3, 2)
        assert len({picture for _, picture in got.values()}) == 3
        end = time.monotonic() + 30
        while len(studio.sessions) or studio.num_drawing:
            assert time.monotonic() < end, "something was not forgotten"
            time.sleep(0.1)
    studio.close()
