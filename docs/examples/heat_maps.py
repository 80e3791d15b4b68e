"""Heat maps of the words of a prompt, drawn with matplotlib (pip install matplotlib)."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

from limelight import TextToImagePipeline

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs")
folder.mkdir(parents=True, exist_ok=True)
pipe = TextToImagePipeline.from_pretrained("default")
result = pipe("a red apple on a blue background", seed=7, num_steps=4, record="site")
maps = result.maps
assert maps is not None  # the request records

words = ("apple", "red", "blue")
figure, axes = plt.subplots(1, 1 + len(words), figsize=(10, 3), layout="constrained")
axes[0].imshow(result.image)
axes[0].set_title("picture")
top = max(float(maps.grid(16).word(word).max()) for word in words)  # one scale for all words
for ax, word in zip(axes[1:], words, strict=True):
    shown = ax.imshow(maps.grid(16).word(word), vmin=0, vmax=top)
    ax.set_title(word)
for ax in axes:
    ax.set_axis_off()
figure.colorbar(shown, ax=axes[1:], label="probability")
figure.savefig(folder / "maps.png", dpi=100)
print(f"{folder / 'maps.png'}; at (32, 32): {dict(list(maps.at(32, 32).items())[:3])}")
