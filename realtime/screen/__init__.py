"""What the person at the screen sees and types."""
