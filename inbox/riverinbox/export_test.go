package riverinbox

// QueueOf names a receiver's queue.
func QueueOf(receiver string) string { return queueOf(receiver) }
