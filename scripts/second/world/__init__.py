"""The world of the second edition: things in places, at a time of day, with shadows; and captions of them."""
