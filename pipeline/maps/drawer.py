"""What draws maps over a picture, as far as the maps know it."""

from typing import Any, Literal, Protocol

from PIL import Image

Scale = Literal["shared", "own"]  # of colours: to the most that any word has, or to the word's own most


class Drawer(Protocol):
    """Draws heat maps, which it is given, over the picture that it has."""

    def overlay(self, maps: Any, word: str, scale: Scale) -> Image.Image:
        """The light of a word over the picture."""

    def sheet(self, maps: Any, scale: Scale) -> Image.Image:
        """The picture, and the light of every word over it."""
