"""What a request must hold: of logins and passwords, and of how to reach somebody."""
