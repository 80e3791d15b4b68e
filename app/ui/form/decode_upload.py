"""Files as the browser sends them inside of messages."""

import base64
import binascii
from typing import Any

from limelight.app.ui.access.errors import NotOffered
from limelight.app.ui.access.limits import Limits
from limelight.pipeline.errors import UsageError


def decoded(data: Any, limits: Limits) -> bytes:
    """The bytes that a browser sent as base64.

    Raises:
        UsageError: it is something else, or too much.
    """
    if not isinstance(data, str):
        raise UsageError("no file came with it")
    if len(data) > limits.max_file_bytes * 4 // 3 + 4:
        raise NotOffered(
            f"the file has about {len(data) * 3 // 4:,} bytes; at most {limits.max_file_bytes:,}"
        )
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise UsageError(f"the file did not arrive whole: {error}") from None
