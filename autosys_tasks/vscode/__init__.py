"""Our block of tasks in the editor's .vscode/tasks.json; whatever else stands in that file is the person's."""
