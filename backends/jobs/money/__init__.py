"""Money: what is reserved and spent, the user's limits, and where a job's bill ends."""
