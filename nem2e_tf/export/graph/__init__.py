"""From the Keras models of a refiner to graphs with signatures."""
