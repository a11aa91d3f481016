"""Us and the peers side by side, in one alternated run: same data, same start, losses compared."""
