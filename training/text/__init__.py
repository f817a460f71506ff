"""The phrasebook: sentences in four languages with the alignment between them."""
