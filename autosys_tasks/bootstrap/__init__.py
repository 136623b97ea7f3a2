"""From a bare Python to `inv`: makes .venv and installs the project into it. Imports nothing of ours.

Standard library only. tasks.py loads it beside the package (see there), so its modules name each other
relatively; what is on the way of a run that has nothing to do imports only what is loaded anyway.
"""
