import contextlib
import json
import threading
from pathlib import Path

import pytest

from app.ui.limits import Limits
from app.ui.studio import Studio
from pipeline import TextToImagePipeline


@pytest.fixture(scope="session")
def pipe() -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained("default")


@pytest.fixture
def studio(pipe: TextToImagePipeline):
    studio = Studio({"default": pipe}, Limits())
    yield studio
    studio.close()


@contextlib.contextmanager
def serving(studio: Studio, **options):
    """The address of a page that is served from a thread."""
    from app.ui.server import Server, build_app
    from app.web import build_page

    told, found = threading.Event(), []

    def say(url: str) -> None:
        found.append(url)
        told.set()

    server = Server(build_app(build_page(studio), studio, **options), host="127.0.0.1", port=0, say=say)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert told.wait(60)
        yield found[0]
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="session")
def page_url(pipe: TextToImagePipeline):
    studio = Studio({"default": pipe}, Limits())
    with serving(studio) as url:
        yield url
    studio.close()


@pytest.fixture
def read_json():
    return lambda path: json.loads(Path(path).read_text())
