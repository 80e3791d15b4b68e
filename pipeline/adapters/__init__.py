"""Files that change a model: LoRAs and textual inversions."""
