"""API calls with values of every kind: each gets an answer, and the log stays clean."""

import http.client
import json
import random
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.access.visitor import Visitor
from limelight.app.ui.studio.studio import Studio
from tests.default_model import SIDE

NUMBER, LONGEST = 500, 2.0  # calls; seconds of one, of this process alone
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 1e308, -0.0, "", "0", "1e999", "nan", "x" * 3000,
    "\ud800", "\x1b[2J", "<lora:a:1>", "BREAK " * 9, [], [[]], {}, {"a": [1]}, {"image": "x", "mask": 1},
    {"image": "data:image/png;base64,AAAA", "mask": None}, {"image": "data:image/png;base64,*"}, ["steps"],
    ["\0"], [None], {"__type__": "update"}, {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
)  # fmt: skip


def _call(chance: random.Random, functions: list[dict], usual: dict[int, list]) -> bytes:
    """A call with some of its values odd, or its text spoilt."""
    function = chance.choice(functions)
    data = list(usual.get(function["id"], [None] * len(function["inputs"])))
    for _ in range(chance.randrange(1, 4)):
        if data:
            data[chance.randrange(len(data))] = chance.choice(ODD)
    call: dict[str, Any] = {
        "data": data,
        "fn_index": function["id"],
        "session_hash": f"fuzz{chance.random()}"[2:9],
    }
    if chance.random() < 0.5:
        fields = ("data", "settings", "span", "weight", "kind", "width", "height")
        asked = ("image", "prompt", "model", "settings", "words", "question", "key")
        names = chance.sample(fields, 4) + chance.sample(asked, 4)
        call["event_data"] = {name: chance.choice(ODD) for name in names}
    if chance.random() < 0.2:
        call[chance.choice(["fn_index", "data", "session_hash", "trigger_id", "event_data"])] = chance.choice(
            ODD
        )
    body = bytearray(json.dumps(call).encode())
    if chance.random() < 0.2:
        for _ in range(3):
            body[chance.randrange(len(body))] = chance.randrange(256)
    return bytes(body)


@pytest.mark.slow
def test_500_calls_of_every_kind(pipe, serve, capfd):
    studio = Studio({"default": pipe}, Limits(max_side=SIDE, max_steps=2, silent_seconds=1))
    chance, longest = random.Random(23), 0.0
    with serve(studio) as url:
        where = urlsplit(url).netloc
        connection = http.client.HTTPConnection(where, timeout=60)
        connection.request("GET", "/config")
        functions = [
            each for each in json.loads(connection.getresponse().read())["dependencies"] if each["backend_fn"]
        ]
        generate = next(each for each in functions if each["api_name"] == "generate")
        usual = {
            generate["id"]: [
                "a",
                "",
                "1",
                2,
                None,
                None,
                None,
                None,
                1,
                None,
                "automatic",
                "automatic",
                "off",
                1,
            ]
        }
        capfd.readouterr()
        for _ in range(NUMBER):
            body = _call(chance, functions, usual)
            path = chance.choice(
                ["queue/join"] * 4 + ["run/restore", "run/stop", "run/predict", "api/generate"]
            )
            began = time.process_time()
            connection = http.client.HTTPConnection(where, timeout=60)
            connection.request("POST", f"/gradio_api/{path}", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            longest = max(longest, time.process_time() - began)
            assert answer.status in (200, 400, 404, 413, 422, 500, 503), (body, answer.status, text)
            assert answer.status != 500 or b"broke" not in text, (body, text)
            assert b"Traceback" not in text and b"/site-packages/" not in text
        time.sleep(2)
        written = capfd.readouterr().err
    studio.leave(Visitor(""))
    studio.close()
    assert "Traceback" not in written, written[-3000:]
    assert len(written) < 2000
    assert longest < LONGEST
