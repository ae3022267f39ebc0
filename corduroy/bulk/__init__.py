"""Writing documents of any number: in batches, several at a time, each document accounted for."""
