"""Wire gauges: tables of the US National Electrical Code, and the cable that a load needs."""
