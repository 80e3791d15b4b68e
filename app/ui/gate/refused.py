"""The answer to a request that is refused."""

from starlette.responses import JSONResponse

from limelight.errors import LimelightError


class Refused(LimelightError):
    """A request is refused. The message, with value, limit and remedy, goes to the client."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def response(self) -> JSONResponse:
        """The answer, in the form that gradio's clients read. It closes the connection, whose body may be
        unread."""
        return JSONResponse({"detail": str(self)}, self.status, {"connection": "close"})
