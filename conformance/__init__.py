"""The product: what is tried, what is right, what was found, and how it is told.

Its wings, of which each imports from those below it alone (import-linter checks that):

mutants         is a mistake in the reference found?
commands        the command line, one module per room of the suite; `cli` puts them together
report          results for people and their tools: terminal, page, JUnit, SARIF
pytest_plugin   the suite as pytest tests
selfcheck       `espproof check`: is this adapter a correct adapter?
bench · interop · vectors · export      speed; each with each; the corpus; one case for other tools
replay          one case, step by step
running         draws, executes and judges: a check, a suite, on workers; recall, reduce, tiers, score
results         what was found, as data; expectations; the gate; files
properties      the checks, by family, with `machines`, random walks that become cases
checks          the registry, and the verbs that checks are written in
strategies      what Hypothesis draws from
oracle          what is right, and what a right packet shows
requirements    what the documents demand, with stable ids
"""
