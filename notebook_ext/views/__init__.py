"""The views: each a widget with its function."""
