package riverinbox

// QueueOf names a receiver's queue.
func QueueOf(prefix, receiver string) string { return queueOf(prefix, receiver) }

// Serving reports whether Run or Drain runs.
func (in *Inbox) Serving() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.serving != nil
}
