"""Models: found, loaded, placed on a device and saved."""
