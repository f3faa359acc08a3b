"""What a clip costs on a GPU of one's own."""
