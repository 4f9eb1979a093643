"""Importers of public data sets."""
