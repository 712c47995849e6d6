"""What a run costs: work of every stage, the machine's roof, rates measured on it, and the time that makes."""
