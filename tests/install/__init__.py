"""What a person gets from the package index: the wheel with the newest of everything that it allows."""
