"""The store on a PostgreSQL server: the same rows for several machines. The driver loads when one is opened."""
