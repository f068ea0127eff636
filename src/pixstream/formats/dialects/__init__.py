"""Dialects of API Pix, one file per PSP; each declares a `formats.dialect.Dialect`, `DIALECT`."""
