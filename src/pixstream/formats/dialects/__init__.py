"""Dialects of API Pix, one PSP a file: each declares its `formats.dialect.Dialect` as `DIALECT`."""
