"""The ways in that producers share: polling an API, an HTTP server, log files, a spool directory.

They know their kind of source and nothing of Pix; a producer puts a format of `formats` on top.
"""
