"""The stay of the demo as a hospital's desk writes it; `docs/examples/polyp` is a link to it."""
