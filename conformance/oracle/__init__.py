"""What is right: outcome by outcome (`judge`), field by field of what was sent (`outbound`), what that shows (`shown`)."""
