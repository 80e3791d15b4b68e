"""Heat maps of the words of a prompt."""
