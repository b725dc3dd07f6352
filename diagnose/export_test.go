package diagnose

// Broken is broken, for tests.
var Broken = broken

// CheckRegistry is the registry's check.
func CheckRegistry() error { return registry.Check() }
