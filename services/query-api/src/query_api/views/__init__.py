"""What is read from the schema `views`: the SQL, its rows, and the answers that they make. Always within one tenant."""
