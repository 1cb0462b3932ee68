"""What a run has found, as data: of a check, of a run, against expectations, against an earlier run, in files."""
