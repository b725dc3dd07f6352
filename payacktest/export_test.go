package payacktest

import "io"

// SetCreate replaces the function that creates files, for tests of full disks.
func (rec *Recorder) SetCreate(create func(io.WriteCloser) io.WriteCloser) {
	rec.create = func(name string) (io.WriteCloser, error) {
		f, err := createFile(name)
		if err != nil {
			return nil, err
		}
		return create(f), nil
	}
}

// Descriptors returns the registry of the providers' descriptors.
func Descriptors() interface{ Check() error } { return descriptors }
