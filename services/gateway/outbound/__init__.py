"""What leaves for resellers and the operator: a notification as its recipient gets it."""
