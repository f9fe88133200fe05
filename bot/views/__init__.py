"""What people read: pure functions from data and a translator to text and keyboard."""
