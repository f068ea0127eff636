"""The sandbox bank: API Pix 2.9.0 over HTTP, with callbacks, faults and delivery of offers."""
