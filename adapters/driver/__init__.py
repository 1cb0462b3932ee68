"""Drivers that are programs of anybody's, in any language, on our model of the card: SOCKET.md is what they speak."""
