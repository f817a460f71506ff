"""Audio: PCM, resampling, filterbanks, files."""
