"""From a request to a job in the store: its inputs, the model, the price, the steps."""
