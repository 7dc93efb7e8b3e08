"""Pairs of a source and its answer: translations, spellings, sums, questions."""
