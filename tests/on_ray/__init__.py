"""The real thing: `make ray` starts Ray clusters of this machine, whose GPUs are only said to be there, and has jobs
made on them (Ray is no part of the tests' environment, and its clusters want a machine to themselves)."""
