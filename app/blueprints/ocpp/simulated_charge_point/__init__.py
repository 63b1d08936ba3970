"""The inside of the simulator: a station that charges, and its OCPP 1.6 connection."""
