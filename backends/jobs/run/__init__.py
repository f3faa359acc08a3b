"""From a job in the store to a clip: the worker, the paid call, the delivery."""
