"""Archives that restore."""
