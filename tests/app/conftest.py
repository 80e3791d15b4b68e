import contextlib
import shutil
import threading
from types import SimpleNamespace

import pytest
from playwright.sync_api import sync_playwright

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.studio.studio import Studio
from limelight.pipeline import TextToImagePipeline

LONGEST = 90_000  # milliseconds that anything on the page may take


@pytest.fixture(scope="session")
def pipe() -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained("default")


@pytest.fixture
def studio(pipe: TextToImagePipeline):
    studio = Studio({"default": pipe}, Limits())
    yield studio
    studio.close()


@pytest.fixture(scope="session")
def serve():
    """Serves a studio's page from a thread: `with serve(studio, **options) as url`."""
    return _serving


@contextlib.contextmanager
def _serving(studio: Studio, host: str = "127.0.0.1", **options):
    """The address of a page that is served from a thread."""
    from limelight.app.ui.page.page import build_page
    from limelight.app.ui.server import Server, build_app

    told, found = threading.Event(), []

    def say(url: str) -> None:
        found.append(url)
        told.set()

    server = Server(build_app(build_page(studio), studio, **options), host=host, port=0, say=say)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        assert told.wait(60)
        yield found[0]
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="session")
def served(pipe: TextToImagePipeline):
    """A page that all tests share: its address, and the studio behind it."""
    studio = Studio({"default": pipe}, Limits())
    with _serving(studio) as url:
        yield SimpleNamespace(url=url, studio=studio)
    studio.close()


@pytest.fixture(scope="session")
def page_url(served) -> str:
    return served.url


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium of this machine."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium here; scripts/install_chromium.sh installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, served):
    """Opens the page; an error on it, or a request to another server, fails the test."""
    with _opening(browser, served.url) as open_it:
        yield open_it


@pytest.fixture(scope="module")
def module_page(browser, served):
    """A page that the tests of a file share."""
    with _opening(browser, served.url) as open_it:
        yield open_it()


@contextlib.contextmanager
def _opening(browser, home):
    faults, contexts = [], []

    def open_it(context=None, url=None, fragment="", **options):
        url = url or home
        context = context or browser.new_context(**{"viewport": {"width": 1360, "height": 900}} | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(LONGEST)
        page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: _note_request(faults, request.url, url))
        page.goto(url + fragment)
        page.wait_for_function("window.limelight")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert faults == []


def _note_request(faults, url, home):
    if not url.startswith((home, "data:", "blob:")):
        faults.append(f"a request to {url}")
