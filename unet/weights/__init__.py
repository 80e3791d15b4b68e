"""Weight files: found, checked before they are opened, and loaded strictly."""
