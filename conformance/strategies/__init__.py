"""What Hypothesis draws from: SA options, packets, numbers, histories; and changes to octets on the wire."""
