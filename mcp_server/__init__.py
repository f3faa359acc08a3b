"""The MCP tool server and the command line: thin front ends over `backends.studio`."""
