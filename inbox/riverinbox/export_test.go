package riverinbox

// QueueOf names a receiver's queue.
func QueueOf(prefix, receiver string) string { return queueOf(prefix, receiver) }
