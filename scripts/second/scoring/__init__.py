"""What the second edition gets right, and how it looks."""
