"""What a catalogue file can say: rows, boxes, spans, prices, and how they are read."""
