"""The page of a firm's owner, in Italian: services, the person to call, this month, invoices, and a form to report trouble."""
