"""The shapes at the edge: JSON that people and programs write, and its way into the core's structs."""
