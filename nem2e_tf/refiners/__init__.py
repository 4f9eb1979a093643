"""Trained refiners."""
