"""The recipe that made the embedded model: text, speech, training, evaluation, export."""
