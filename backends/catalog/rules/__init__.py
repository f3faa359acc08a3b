"""Is a request legal for a row: every field held against a box, and the wire values of a legal one."""
