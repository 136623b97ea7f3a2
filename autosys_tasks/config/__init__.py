"""autosys.toml -> one frozen Config. Reads the file; starts and changes nothing."""
