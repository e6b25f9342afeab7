"""What was used: by which product, of which allowance, and where each unit of it can be found."""
