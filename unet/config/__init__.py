"""What a U-Net is made of, and how that is read from and written to files."""
