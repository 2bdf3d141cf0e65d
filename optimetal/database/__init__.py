"""From a database of entries to records of crystals and spectra, split by composition."""
