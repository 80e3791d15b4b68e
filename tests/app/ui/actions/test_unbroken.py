import logging

from limelight.app.ui.actions.handlers import Change
from limelight.app.ui.actions.unbroken import changed, messages
from limelight.app.ui.studio.studio import BUG
from tests.app.ui.in_time import run

TYPED = "a secret that somebody typed"


async def _breaks():
    yield {"run": "x"}
    raise RuntimeError(TYPED)


async def _all(run):
    return [message async for message in run]


def test_a_failed_run_shows_our_message_and_the_log_has_no_user_text(caplog, capfd):
    with caplog.at_level(logging.ERROR):
        first, last = run(_all(messages(_breaks())))
    assert (first["run"], last["error"], last["pictures"]) == ("x", BUG, [])
    (record,) = caplog.records
    assert "RuntimeError at test_unbroken.py" in record.getMessage()
    assert TYPED not in caplog.text + "".join(capfd.readouterr())


def test_an_action_that_breaks_changes_nothing(caplog):
    assert changed(lambda: Change("done", {"seed": "1"})) == Change("done", {"seed": "1"})
    with caplog.at_level(logging.ERROR):
        assert changed(lambda: {}["secret"]) == Change(BUG, {}, "error")
    assert "secret" not in caplog.text
