"""The commands of `espproof`, one module per room of the suite; `cli` puts them together."""
