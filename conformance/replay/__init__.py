"""One Case, step by step: executed and judged (`walk`), dissected, printed; what a card does in it (`trace`)."""
