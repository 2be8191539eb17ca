"""A Flask site with pages made on the server: who is logged in may write a line."""
