"""The checks, one module per family, or several whose names begin with it. Each is a short function that says what
is tried; nothing is judged here.
"""
