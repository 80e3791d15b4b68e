"""Limits of the page for its visitors."""

from dataclasses import dataclass

MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of the page, in addition to those of every request.

    Attributes:
        max_side: width and height of the finished picture, in pixels.
        max_steps: scheduler steps of a picture.
        max_count: pictures of one run.
        max_prompt_characters: length of the prompt, and of the negative prompt.
        max_places: words, regions and scaled heads of a request, together; each makes every step slower.
        max_pick: seeds that are tried for one picture.
        max_waiting: requests in the queue.
        max_waiting_per_visitor: requests in the queue of one visitor.
        max_drawing: requests that are drawn at the same time.
        max_drawing_per_visitor: requests of one visitor that are drawn at the same time.
        max_drawing_per_address: requests of one address that are drawn at the same time.
        max_describing: pictures that are described, or asked about, at the same time.
        max_describing_per_address: those of one address.
        max_checking: pictures whose words are checked at the same time, at most one of each visitor.
        max_checked_words: words of a prompt that is checked; each takes a few predictions.
        max_step_seconds: estimated time of one step of a picture; others have to wait for it.
        max_silent: sessions of one address that sent a request and do not read the answer.
        silent_seconds: time after which such a session is dropped.
        max_open: HTTP requests that are being answered, including those that are refused.
        max_connections: open connections; one address may have three quarters of them.
        head_seconds: time for the head of an HTTP request to arrive.
        body_seconds: time for its body to arrive; each `body_bytes_per_second` received adds a second.
        stalled_seconds: time for which a client may read nothing of an answer.
        max_wrong_passwords: wrong passwords of one address within `wrong_password_seconds`.
        wrong_password_seconds: see `max_wrong_passwords`.
        max_kept: finished pictures whose maps the server keeps for clients of the API.
        max_file_bytes: size of an image to start from, or of a PNG whose settings are restored.
        max_body_bytes: size of the body of any HTTP request.
        max_bodies_bytes: size of all bodies that are arriving, together; one address may take half.
        max_image_pixels: size of an image to start from, checked before it is unpacked.
        max_map_bytes: size of the maps that are sent to the browser with a picture; maps of heads, then of
            sites at single steps, are left out where they do not fit.
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
    max_describing: int = 32
    max_describing_per_address: int = 8
    max_checking: int = 16
    max_checked_words: int = 40
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
