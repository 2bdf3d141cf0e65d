"""Crystal graphs: from atoms to batches."""
