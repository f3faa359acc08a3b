"""Money: what is reserved and spent, the person's limits, and where a job's bill ends."""
