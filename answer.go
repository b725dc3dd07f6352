package payack

// Answer is the HTTP answer to a callback, as the provider's contract prescribes
// it.
type Answer struct {
	Status int
	// ContentType is empty when Body is empty.
	ContentType string
	Body        string
}
