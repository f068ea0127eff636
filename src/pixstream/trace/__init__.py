"""One payment's life, put together from what Kafka and the Delta tables hold, without an index.

`question` understands the identifier and says which days to search. `tables`, `topics` and
`letters` search; `search` follows what they find from one to the other, and `life` puts it in
order. `people` finds a person's rows by pseudonym.
"""
