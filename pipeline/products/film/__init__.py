"""Image cubes to look at: read plane by plane, as frames of a film, as a page for a browser."""
