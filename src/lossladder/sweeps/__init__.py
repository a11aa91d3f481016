"""Floor 4: many runs from one command, trained together where they can be; none done twice."""
