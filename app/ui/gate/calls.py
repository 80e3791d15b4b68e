"""Checks calls of the page's functions before gradio sees them: it answers bad ones with a traceback."""

import json
import re
from dataclasses import dataclass
from typing import Any

import gradio as gr

from limelight.app.ui.gate.refused import Refused

_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Call:
    """The session of a call, and whether it goes through gradio's queue."""

    session: str
    is_queued: bool


class Calls:
    """The functions of a page that can be called."""

    def __init__(self, page: gr.Blocks) -> None:
        functions = {index: each for index, each in page.fns.items() if each.fn is not None}
        self._by_index: dict[int, Any] = functions
        self._by_name: dict[str, Any] = {each.api_name: each for each in functions.values() if each.api_name}

    def check(self, body: bytes, name: str | None = None) -> Call:
        """The call in a body.

        Args:
            name: of the function, if the URL has it.

        Raises:
            Refused: gradio could not use the body.
        """
        asked = _read(body)
        function = self._function(asked, name)
        data, session = asked.get("data"), asked.get("session_hash")
        if not isinstance(session, str) or not _SESSION.fullmatch(session):
            raise Refused(400, "session_hash must be 1 to 64 letters, digits, - or _")
        if not isinstance(data, list) or len(data) != len(function.inputs):
            given = len(data) if isinstance(data, list) else 0
            raise Refused(422, f"data has {given} values; this function takes {len(function.inputs)}")
        for key in ("trigger_id", "event_id"):
            if not isinstance(asked.get(key), int | str | None):
                raise Refused(422, f"{key} must be a number or text")
        return Call(session, bool(function.queue))

    def _function(self, asked: dict[str, Any], name: str | None) -> Any:
        index = asked.get("fn_index")
        if isinstance(index, int) and not isinstance(index, bool) and index in self._by_index:
            function = self._by_index[index]
            if name is None or name in ("predict", function.api_name):
                return function
        elif index is None and name in self._by_name:
            return self._by_name[name]
        raise Refused(404, "the page has no such function; /gradio_api/info lists all")


def _read(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "the request is not JSON that can be read") from None
    if not isinstance(asked, dict):
        raise Refused(400, "the request is not a JSON object")
    return asked
