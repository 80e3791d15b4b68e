"""The messages of a run to the viewer. Each is complete, so a lost message does no harm."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from limelight.app.ui.output.payload import all_maps, live_maps
from limelight.app.ui.output.pictures import film_of, plain_info, preview_url, result_url, viewed_url
from limelight.app.ui.output.unknown import near_words, unknown_words
from limelight.app.ui.studio.job import Ticket
from limelight.app.ui.studio.studio import Studio


class Frames:
    """Makes the messages about the tickets of one run, and computes only what has changed.

    Args:
        run: id of the run.
        note: a remark on the prompt that is not an error.
        with_film: sends the previews of all steps with a finished picture.
    """

    def __init__(
        self,
        studio: Studio,
        run: str,
        tickets: Sequence[Ticket],
        *,
        note: str = "",
        with_film: bool = True,
    ) -> None:
        self.studio = studio
        self.run = run
        self.tickets = tickets
        self.note = note
        self.with_film = with_film
        self._made: dict[str, tuple[int, dict[str, Any]]] = {}
        self._near: dict[str, list[dict[str, Any]]] = {}

    def message(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "is_over": all(ticket.is_over for ticket in self.tickets),
            "error": "",
            "note": " ".join(filter(None, (self.note, *dict.fromkeys(map(_note_of, self.tickets))))),
            "pictures": [self._picture(ticket) for ticket in self.tickets],
        }

    def _picture(self, ticket: Ticket) -> dict[str, Any]:
        version = ticket.version
        if ticket.state != "waiting" and (made := self._made.get(ticket.id)) and made[0] == version:
            return made[1]
        before = self._made[ticket.id][1] if ticket.id in self._made else {}
        picture = self._about(ticket) | {
            "version": version,
            "image": before.get("image"),
            "maps": before.get("maps"),
        }
        picture |= self._drawn(ticket)
        picture["index"] = max(picture["index"], before.get("index", 0))  # a stopped ticket has no step
        self._made[ticket.id] = version, picture
        return picture

    def _about(self, ticket: Ticket) -> dict[str, Any]:
        step = ticket.step
        request = ticket.request
        return {
            "id": ticket.id,
            "state": ticket.state,
            "position": self.studio.position(ticket) if ticket.state == "waiting" else None,
            "index": step.index if step else 0,
            "count": step.count if step else request.num_steps,
            "seconds_left": ticket.seconds_left,
            "error": ticket.error,
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "seed": str((ticket.result or ticket).request.seed),  # with `pick`, the result has another
            "model": ticket.model,
            "unknown": list(unknown_words(self.studio, ticket)),
            "near": self._near_words(ticket),
            "settings": None,
            "file_name": "",
        }

    def _near_words(self, ticket: Ticket) -> list[dict[str, Any]]:
        """Known words in place of unknown ones, computed once for a picture."""
        if ticket.id not in self._near:
            self._near[ticket.id] = [asdict(offer) for offer in near_words(self.studio, ticket)]
        return self._near[ticket.id]

    def _drawn(self, ticket: Ticket) -> dict[str, Any]:
        """The picture and its maps, as far as they are drawn."""
        result, step = ticket.result, ticket.step
        if result is not None:
            info = plain_info(result)
            return {
                "image": result_url(result),
                "viewed": viewed_url(result),
                "size": list(result.image.size),
                "maps": all_maps(result.maps, self.studio.limits.max_map_bytes) if result.maps else None,
                "film": film_of(ticket.previews) if self.with_film else [],
                "settings": info["request"] | {"seed": str(result.request.seed)},
                "attention": info["attention"],
                "sites": self.studio.timing.sites(self.studio.engine(ticket.model, ticket.attention), result),
                "file_name": result.file_name,
            }
        if step is None or step.preview is None:
            return {}
        return {
            "image": preview_url(step.preview()),
            "maps": live_maps(step.maps) if step.maps else None,
        }


def _note_of(ticket: Ticket) -> str:
    """A note on how a picture differs from its request, why its start was picked, and the changes of
    an edit."""
    info = ticket.result.info if ticket.result is not None else {}
    picked, changes = info.get("pick"), info.get("edit")
    why = f"Picked {'; '.join(picked['why'])}." if picked else ""
    edit = f"Edited: {'; '.join(changes)}.".replace(" -> ", " → ") if changes else ""
    psnr = info.get("base_psnr")
    image = f"From its noise, the image comes back at {psnr:.1f} dB." if psnr is not None else ""
    return " ".join(filter(None, (ticket.note, why, edit, image)))


def refusal(error: str) -> dict[str, Any]:
    """The message of a run that does not begin."""
    return {"run": "", "is_over": True, "error": error, "note": "", "pictures": []}
