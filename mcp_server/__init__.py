"""The MCP tool server and the command line: thin fronts over `backends.studio`."""
