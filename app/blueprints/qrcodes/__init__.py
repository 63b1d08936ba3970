"""QR codes: texts that phones read, as pictures that are made when they are needed."""
