"""What one visitor may ask of the page."""

from dataclasses import dataclass

MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of the page, beside those of every request.

    Attributes:
        max_side: of the finished picture, in pixels.
        max_prompt_characters: of the prompt, and of the negative prompt.
        max_waiting: requests in the queue, of all visitors together.
        max_waiting_per_visitor: of which one visitor may have so many.
        max_drawing: requests that are drawn at the same time.
        max_drawing_per_visitor: of which one visitor may have so many; what others wait for at most.
        max_kept: finished pictures whose maps the server keeps for downloads.
        max_file_bytes: of an image to start from, or of a PNG whose settings are to be restored.
        max_body_bytes: of any request to the server.
        max_map_bytes: of the maps that are sent to the browser with a picture; sites' maps at single steps,
            then heads, are left out where they do not fit.
        live_seconds: least time between two previews of a picture.
    """

    max_side: int = 1024
    max_steps: int = 100
    max_count: int = 4
    max_prompt_characters: int = 2_000
    max_waiting: int = 64
    max_waiting_per_visitor: int = 8
    max_drawing: int = 8
    max_drawing_per_visitor: int = 2
    max_kept: int = 32
    max_file_bytes: int = 16 * MEBIBYTE
    max_body_bytes: int = 32 * MEBIBYTE
    max_map_bytes: int = 6 * MEBIBYTE
    live_seconds: float = 0.12
