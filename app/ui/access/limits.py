"""What one visitor may ask of the page."""

from dataclasses import dataclass

MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of the page, in addition to those of every request.

    Attributes:
        max_side: of the finished picture, in pixels.
        max_prompt_characters: of the prompt, and of the negative prompt.
        max_places: of words, regions and scaled heads, together; each makes every step slower.
        max_pick: starts of a picture that are tried.
        max_waiting: requests in the queue, of all visitors together.
        max_waiting_per_visitor: of which one visitor may have so many.
        max_drawing: requests that are drawn at the same time.
        max_drawing_per_visitor: of which one visitor may have so many; what others wait for at most.
        max_drawing_per_address: of which one address may have so many, however many visitors come from it.
        max_step_seconds: estimated for one step of a picture; what others may have to wait for.
        max_silent: sessions of one address that asked for something and do not listen.
        silent_seconds: for which a session may do that, before it is forgotten.
        max_open: requests of all visitors that are being answered, refused ones among them.
        max_connections: of all visitors together; one address may have three quarters of them.
        head_seconds: within which the head of a request has to come.
        body_seconds: within which its body has to come, and one more for every `body_bytes_per_second`.
        stalled_seconds: for which a client may read nothing of what it is sent.
        max_wrong_passwords: of one address within `wrong_password_seconds`.
        max_kept: finished pictures whose maps the server keeps for clients of the API.
        max_file_bytes: of an image to start from, or of a PNG whose settings are to be restored.
        max_body_bytes: of any request to the server.
        max_bodies_bytes: of those that are on their way, together; one address may take half.
        max_image_pixels: of an image to start from, looked at before it is unpacked.
        max_map_bytes: of the maps that are sent to the browser with a picture; sites' maps at single steps,
            then heads, are left out where they do not fit.
        live_seconds: least time between two previews of a picture.
    """

    max_side: int = 1024
    max_steps: int = 100
    max_count: int = 4
    max_prompt_characters: int = 2_000
    max_places: int = 8
    max_pick: int = 8
    max_waiting: int = 64
    max_waiting_per_visitor: int = 8
    max_drawing: int = 8
    max_drawing_per_visitor: int = 2
    max_drawing_per_address: int = 6
    max_step_seconds: float = 5.0
    max_silent: int = 16
    silent_seconds: float = 15.0
    max_open: int = 160
    max_connections: int = 512
    head_seconds: float = 10.0
    body_seconds: float = 10.0
    body_bytes_per_second: int = 64 * 1024
    stalled_seconds: float = 15.0
    max_wrong_passwords: int = 10
    wrong_password_seconds: float = 300.0
    max_kept: int = 32
    max_file_bytes: int = 16 * MEBIBYTE
    max_body_bytes: int = 32 * MEBIBYTE
    max_bodies_bytes: int = 128 * MEBIBYTE
    max_image_pixels: int = 2**24
    max_map_bytes: int = 6 * MEBIBYTE
    live_seconds: float = 0.12
