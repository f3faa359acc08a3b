"""Models as data: one TOML file a provider; loader, rules (validate), price (estimate), choose (rank)."""
