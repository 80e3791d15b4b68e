"""What changes a picture while it is sampled: the firm hand, and edits of the words."""
