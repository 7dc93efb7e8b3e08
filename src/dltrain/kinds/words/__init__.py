"""Words of a corpus, whose vectors are learned from their neighbours."""
