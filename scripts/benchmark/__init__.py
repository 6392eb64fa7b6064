"""What a real network of four processes does on this machine, beside what the machine itself could do."""
