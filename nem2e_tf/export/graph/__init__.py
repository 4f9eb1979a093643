"""From a refiner to a graph."""
