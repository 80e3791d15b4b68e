"""Messages to the browser: frames, maps and pictures."""
