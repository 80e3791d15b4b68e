"""Reading pictures: what they show in words, where each word is, and answers to questions."""
