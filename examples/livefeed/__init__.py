"""A page that shows what happens in a database: one ChangesFeed, and any number of browsers."""
