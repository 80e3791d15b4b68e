"""The configuration of a U-Net, and how it is read from and written to files."""
