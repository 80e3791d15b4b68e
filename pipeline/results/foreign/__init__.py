"""What other programs wrote into their pictures."""
