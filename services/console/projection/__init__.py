"""Facts become rows: one file per thing that a page shows. Nothing is decided here."""
