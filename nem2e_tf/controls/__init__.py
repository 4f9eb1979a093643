"""Controls: what a refiner should not be able to do, and what its gain is made of."""
