"""What the page gets back: frames, maps and pictures."""
