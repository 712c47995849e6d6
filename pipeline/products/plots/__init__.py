"""Pictures of datasets and cubes; each is made of numbers that a function of its own measures and returns."""
