"""`limelight ui`: its addresses, its logins, and its messages."""

import http.client
import socket
from urllib.parse import urlsplit

import pytest

from limelight.app import report
from limelight.app.commands.ui import _names, ui
from limelight.app.load import LoadOptions
from limelight.pipeline.errors import UsageError


@pytest.fixture
def served(monkeypatch, pipe):
    """Runs the command without a server; returns the messages and the arguments of the server."""
    from limelight.app.ui import server

    complaints, made = [], {}

    def build_app(page, studio, *, auth, hosts):
        made.update(auth=auth, hosts=hosts, is_measured=bool(studio.pace.times.seconds("default", 64 * 64)))
        return page

    class Recorded:
        def __init__(self, app, *, host, port, say):
            made.update(host=host, port=port)

        def run(self):
            raise KeyboardInterrupt

    monkeypatch.setattr(LoadOptions, "load", lambda options: pipe)
    monkeypatch.setattr(server, "build_app", build_app)
    monkeypatch.setattr(server, "Server", Recorded)
    monkeypatch.setattr(report, "complain", complaints.append)

    def serve(models=("default",), host="127.0.0.1", port=0, auth=(), hosts=()):
        ui(model=list(models), host=host, port=port, auth=list(auth), hosts=list(hosts))
        return complaints, made

    return serve


def test_serving_this_machine_alone_prints_no_warning(served):
    complaints, made = served()
    assert complaints == []
    expected = {"auth": None, "host": "127.0.0.1", "hosts": ["127.0.0.1"], "port": 0, "is_measured": True}
    assert made == expected


def test_names_of_the_server_are_known_to_its_gate(served):
    assert served(host="0.0.0.0", auth=["a:b"], hosts=["studio.example"])[1]["hosts"] == [
        "0.0.0.0",
        "studio.example",
    ]


def test_serving_other_machines_without_passwords_prints_a_warning(served):
    assert served(host="0.0.0.0")[0] == [
        "0.0.0.0 can be reached from elsewhere, and nobody has to log in; see --auth"
    ]


def test_users_have_to_log_in_and_a_password_may_have_colons(served):
    complaints, made = served(host="0.0.0.0", auth=["ada:secret", "bob:a:b"])
    assert complaints == []
    assert made["auth"] == [("ada", "secret"), ("bob", "a:b")]


@pytest.mark.parametrize("user", ["ada", "ada:", ":secret", ""])
def test_a_user_without_a_password_is_refused(served, user):
    with pytest.raises(UsageError, match="a user is not USER:PASSWORD"):
        served(auth=[user])


def test_an_address_of_another_machine_is_refused(served):
    with pytest.raises(UsageError, match=r"cannot listen at 203\.0\.113\.1:0: .*choose another --host"):
        served(host="203.0.113.1")


def test_a_port_that_is_taken_is_refused(served):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError) as error:
            served(port=port)
    assert str(error.value) == (
        f"cannot listen at 127.0.0.1:{port}: Address already in use, perhaps by another `limelight ui`; "
        "choose another --host or --port"
    )


def test_two_models_of_one_name_are_called_by_their_paths():
    assert _names(["default", "a/sd", "b/sd"]) == {
        "default": "default",
        "a/sd": "a/sd",
        "b/sd": "b/sd",
    }
    assert _names(["default", "a/sd"]) == {"default": "default", "sd": "a/sd"}


@pytest.mark.parametrize("host", ["127.0.0.2", "::1"])
def test_the_printed_address_answers(studio, serve, host):
    try:
        socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with serve(studio, host=host) as url:
        place = urlsplit(url)
        assert place.hostname == host
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
        connection.request("GET", "/limelight/scripts/page.js")
        assert connection.getresponse().status == 200
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", place.port), timeout=5).close()
