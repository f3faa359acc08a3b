"""All that can make, price, run and keep a video; knows nothing of MCP or of notebooks."""
