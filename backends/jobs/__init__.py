"""Durable jobs: store, lanes, worker, ledger and artifacts."""
