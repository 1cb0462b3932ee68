"""The catalogue of normative sentences (`catalogue`) and its comparison with the texts of the RFCs (`audit`)."""
