"""What plugs into Hydra, which looks for it in this namespace and nowhere else."""
