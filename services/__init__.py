"""The services, one folder each, and the chassis they stand on."""
