package php

// Work returns how many bytes Reencode reads of a body, how many floats it
// converts, and how long its two texts are together.
func Work(body []byte, drop string) (read, floats, written int) {
	w := rewriter{in: body}
	err := w.object(quote(drop))
	if err == nil {
		written = len(w.out) + len(w.arrays())
	}
	return w.at, w.converted(err), written
}

// converted returns the number of floats without the one that was refused.
func (w *rewriter) converted(err error) int {
	if err == errFloat || err == errFloats {
		return w.floats - 1
	}
	return w.floats
}
