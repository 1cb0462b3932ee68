"""Cases drawn, executed and judged: one check, the whole suite, in several processes, again from memory."""
