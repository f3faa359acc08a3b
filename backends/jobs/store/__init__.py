"""The store: its file, its tables, how rows hold JSON, and the journal beside it."""
