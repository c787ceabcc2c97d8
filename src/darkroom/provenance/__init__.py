"""Who made this: runs, and images."""
