"""What a refiner is worth: metrics of a cycle, scores of a group, statistics over groups."""
