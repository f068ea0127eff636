"""The three loops: readings into Kafka, Kafka's records into a destination, and into other topics.

They know the ports of `pixstream.kafka`, no library. One loop runs per process, in its main
thread. Order is what keeps the promises, and one method of each loop shows it: positions travel in
the transaction of their events (`produce`); letters are durable before the table, the table before
the group's offsets (`consume`); outputs, letters, state and offsets are one transaction
(`process`). `member` is the reading side that the last two share.
"""
