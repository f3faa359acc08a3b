"""The paid services: one file a provider, over one shared HTTP client (`http`)."""
