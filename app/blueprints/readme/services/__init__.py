"""What can be done with the READMEs: build the combined one, and show each."""
