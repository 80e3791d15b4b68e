"""What decides the recipe: short runs from nothing that differ from it in one thing, over two seeds."""
