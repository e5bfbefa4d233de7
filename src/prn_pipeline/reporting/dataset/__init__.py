"""What a report shows of the data set: a table of facts, and samples with their masks."""
