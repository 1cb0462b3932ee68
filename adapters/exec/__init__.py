"""A program in any language as an implementation under test; what it has to speak is in PROTOCOL.md."""
