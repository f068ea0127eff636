"""The three loops: from sources into Kafka, from Kafka into destinations or into other topics.

They use the ports of `pixstream.kafka` and no Kafka library. Each process runs one loop in its main
thread. The order of the steps keeps the guarantees, and one method of each loop shows it: positions
are committed in the transaction of their events (`produce`); dead letters are durable before the
destination is written, and the destination before the group's offsets are committed (`consume`);
outputs, letters, state and offsets are one transaction (`process`). The last two loops share their
reading side, `member`.
"""
