"""The life of one product, told by a cloud and a simulated fleet, and checked as it is told."""
