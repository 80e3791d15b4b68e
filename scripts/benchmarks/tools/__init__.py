"""What every benchmark uses."""
