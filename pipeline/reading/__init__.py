"""What a picture shows, read by the model that draws."""
