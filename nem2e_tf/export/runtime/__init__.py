"""Exported files in memory.

TensorFlow is imported only to open a refiner folder or a SavedModel.
"""
