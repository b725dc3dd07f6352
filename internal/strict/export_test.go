package strict

// Pooled returns the room of the decoder that is used next.
func Pooled() []byte {
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	return d.text[:cap(d.text)]
}
