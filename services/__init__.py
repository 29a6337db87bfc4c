"""The services, one folder each, and the chassis they stand on."""

__version__ = "0.1.0"
