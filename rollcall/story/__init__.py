"""The life of one product, told by a cloud and a fleet of simulated devices, and checked as told."""
