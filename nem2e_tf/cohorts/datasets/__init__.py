"""The two public data sets."""
