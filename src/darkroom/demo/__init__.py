"""A page to explore trained runs: sample, walk between images, edit them, find one's own."""
