"""What is measured, how, and the dated results."""
