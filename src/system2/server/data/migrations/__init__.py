"""How a database came to be what the tables say, one step a file. Run by `Database.open`, never by hand."""
