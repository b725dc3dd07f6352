package payack

// Answer is what a provider is told.
type Answer struct {
	Status int
	// ContentType is empty when the body is.
	ContentType string
	Body        string
}
