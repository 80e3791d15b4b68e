"""What the page gets back: frames, maps, pictures and downloads."""
