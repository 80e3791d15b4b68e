"""What the page looks like."""
