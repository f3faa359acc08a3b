"""The paid services: one folder a provider, over the provider kit (`backends.provider`)."""
