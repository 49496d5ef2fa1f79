"""Files in S3: their keys, addresses that let somebody read or write one object for a while, and the objects."""
