"""Windows of a history beside other engines, one new day, features of a request."""
