"""Random walks that are written down as Cases, for the properties that no fixed scenario reaches."""
