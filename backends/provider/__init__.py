"""All that a provider needs: what a back end is, the registry, and one way to send requests to a paid service."""
