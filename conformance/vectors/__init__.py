"""The corpus of vectors: Cases with known outcomes, made once, confirmed by others, and never changed again.

published, known_answers, windows    what the files contain, as Python tables
situations                           every situation of a window, from which `windows` makes vectors
suites, made                         the algorithms of our own vectors, and packets that remember how they were made
files                                which files there are, and the list of ids for ever
headers, discards                    the same: what is around ESP, and what is not delivered
build                                the files from the tables; nobody writes them by hand
confirm                              the same octets again, by implementations that share no ESP code with us
lint                                 what must be true of the files, whoever reads them
judge                                an implementation against a vector's own expectations
peers                                vectors of other projects, in their own formats
"""
