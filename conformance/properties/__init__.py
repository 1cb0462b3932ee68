"""The checks, one module per family. Each is a short function that says what is tried; nothing is judged here."""
