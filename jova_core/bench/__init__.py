"""`jova bench`: how long things take, beside other systems and the machine's limit."""
