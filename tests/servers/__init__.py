"""Real servers for tests, which start, hurt and stop them."""
