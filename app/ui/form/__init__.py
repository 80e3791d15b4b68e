"""What a visitor typed and sent, as requests."""
