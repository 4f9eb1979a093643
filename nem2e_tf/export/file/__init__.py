"""What is in an exported file."""
