"""The content of an exported file, and the index of an export folder."""
