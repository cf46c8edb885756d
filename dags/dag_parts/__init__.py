"""What the DAGs beside this folder share; not parsed for DAGs (.airflowignore)."""
