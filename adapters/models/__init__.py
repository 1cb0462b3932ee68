"""What we have written ourselves as implementations under test: the reference, which must pass everything, and
`niantic`, the reference with a network card and its driver below.

Each turns the operations of a Case into calls of a part of `espproof.reference`, and adds nothing of its own.
"""
