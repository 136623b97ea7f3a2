"""Where Invoke ends and the rooms begin: flags become values, values become text, errors become exit codes."""
