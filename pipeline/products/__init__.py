"""What is made of the visibilities: images and cubes."""
