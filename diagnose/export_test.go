package diagnose

// Broken exports broken for tests.
var Broken = broken

// CheckRegistry exports the registry's Check for tests.
func CheckRegistry() error { return registry.Check() }
