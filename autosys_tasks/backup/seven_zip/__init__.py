"""7z archives: written by our own writer, read in bounded memory, checked byte by byte. docs/decisions/0022."""
