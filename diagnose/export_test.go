package diagnose

// Broken exports the function broken for tests.
var Broken = broken

// CheckRegistry exports the registry's Check for tests.
func CheckRegistry() error { return registry.Check() }
