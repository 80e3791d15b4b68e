"""The state that gradio keeps of a session."""

from gradio.state_holder import SessionState

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.page.page import build_page
from limelight.app.ui.server import build_app
from limelight.app.ui.studio.studio import Studio


def test_sessions_are_those_that_gradio_makes_and_share_nothing(pipe) -> None:
    studio = Studio({"default": pipe}, Limits())
    page = build_page(studio)
    build_app(page, studio)
    studio.close()
    one, other = page.state_holder["one"], page.state_holder["other"]
    key = next(key for key, config in one.config_values.items() if "value" in config["props"])
    assert one.config_values == SessionState(page).config_values
    assert vars(one).keys() == vars(SessionState(page)).keys()

    one._update_value_in_config(key, "mine")
    one.state_data[key] = "mine"
    one.blocks_config.blocks.pop(key)

    assert other.config_values == page.state_holder["third"].config_values == SessionState(page).config_values
    assert not other.state_data and key in other.blocks_config.blocks
    assert page.state_holder["one"] is one
