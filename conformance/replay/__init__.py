"""One Case, step by step: executed and judged (`walk`), dissected, printed."""
