"""Billing: turns usage into charges, and charges into invoices. It calls nobody."""
