"""What the configuration files of a model may say, checked before a library sees them."""
