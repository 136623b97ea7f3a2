"""What `inv` sees: one thin module a verb. Each turns flags into values, calls a room, prints what it returned."""
