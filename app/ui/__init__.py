"""The page: who draws for whom, what the browser gets, and the viewer in it."""
