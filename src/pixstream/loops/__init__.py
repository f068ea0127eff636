"""The two loops: a producer's readings into Kafka, and Kafka's records into a destination.

They know the ports of `pixstream.kafka`, no library. One loop runs per process, in its main
thread. Order is what keeps the promises: positions travel in the transaction of their events;
letters are durable before the table, the table before the group's offsets (Laws 1 and 2).
"""
