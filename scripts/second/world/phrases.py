"""The phrases that captions are made of, the most common one of each kind first."""

OPENINGS = ("a picture of", "an image of", "a photo of", "draw", "a scene with", "a 3d render of")
CLOSINGS = (".", ", cute", ", beautiful", ", high quality", ", detailed")
FILLERS = ("nice", "cute", "beautiful", "lovely", "simple", "pretty", "single", "funny", "happy")
GROUND_PHRASES = (
    "on a {colour} background",
    "on {colour}",
    "in front of a {colour} background",
    ", {colour} background",
    "against a {colour} background",
)
RELATION_PHRASES = {
    "left": ("to the left of", "left of", "on the left of"),
    "right": ("to the right of", "right of", "on the right of"),
    "above": ("above", "over", "floating above"),
    "below": ("below", "under", "beneath"),
    "front": ("in front of",),
    "behind": ("behind", "hiding behind"),
    "on": ("on top of", "standing on", "sitting on"),
    "next": ("next to", "beside", "by"),
    "wearing": ("wearing", "with"),
    "between": ("between", "in between"),
}
SIZE_WORDS = {"small": ("small", "tiny", "little"), "big": ("big", "large", "huge", "giant")}
POSE_WORDS = {
    "flying": ("flying", "flying"),
    "jumping": ("jumping", "jumping"),
    "sleeping": ("sleeping", "sleeping"),
    "upside down": ("upside down", "upside down"),
}
MATERIAL_WORDS = {
    "golden": ("golden", "made of gold"),
    "silver": ("silver", "made of silver"),
    "wooden": ("wooden", "made of wood"),
    "glass": ("glass", "made of glass"),
    "glowing": ("glowing", "made of light"),
}
STYLE_PHRASES = {
    "3d": (", 3d", ", 3d style", ", 3d render"),
    "flat": (", flat", ", flat style", "in flat style", "a flat drawing of"),
    "silhouette": ("a silhouette of", "the silhouette of", ", silhouette"),
    "sketch": ("a sketch of", "a pencil sketch of", ", sketch"),
    "pixel art": (", pixel art", "in pixel art style", "a pixel art picture of"),
}
TIME_PHRASES = {
    "sunset": ("at sunset", "at dusk", "in the evening"),
    "night": ("at night", "by night", "under the stars"),
}
WEATHER_PHRASES = {
    "rain": ("in the rain", "on a rainy day", "while it rains"),
    "snow": ("in falling snow", "on a snowy day", "while it snows"),
}
STUFF_PHRASES = {
    "sky": ("under the {stuff}", "under a wide {stuff}", "with the {stuff} above"),
    "floor": ("on the {stuff}", "standing on the {stuff}"),
    "back": ("in front of the {stuff}", "near the {stuff}", "with {stuff} in the background"),
}
SYNONYMS = {
    "burger": ("hamburger",),
    "donut": ("doughnut",),
    "airplane": ("plane",),
    "boat": ("sailboat",),
    "gift": ("present",),
    "rabbit": ("bunny",),
    "cat": ("kitten", "kitty"),
    "dog": ("puppy",),
    "dinosaur": ("dino",),
    "ufo": ("spaceship",),
    "hat": ("top hat",),
    "clock": ("alarm clock",),
    "chick": ("baby chick",),
    "pine": ("pine tree", "fir"),
    "palm": ("palm tree",),
    "lamp": ("light bulb",),
    "car": ("automobile",),
    "monkey": ("ape",),
}
BARE = ("sunglasses", "glasses", "grapes", "fries", "pancakes", "headphones", "bread", "popcorn", "lightning")
