"""What a client is answered instead of what it asked for."""

from starlette.responses import JSONResponse

from limelight.errors import LimelightError


class Refused(LimelightError):
    """The message states the value, the limit and the remedy, and goes to the client."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def response(self) -> JSONResponse:
        """In the form in which gradio's clients look for it. The connection ends: its body may be unread."""
        return JSONResponse({"detail": str(self)}, self.status, {"connection": "close"})
